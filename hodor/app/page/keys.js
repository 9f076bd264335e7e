// Keys, wherever nobody types.

const TOOLS = { b: "brush", e: "eraser", p: "polygon", x: "box", c: "click" };

export function listenToKeys(editor, signal) {
  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (target.matches("input:not([type=range], [type=checkbox]), textarea, select") || event.altKey) return;
    const isCommand = event.ctrlKey || event.metaKey;
    const act = isCommand ? undo(editor, event) : action(editor, key, event);
    if (!act) return;
    event.preventDefault();
    act();
  }, { signal });
}

function undo(editor, { key, shiftKey }) {
  if (key.toLowerCase() === "y" || (key.toLowerCase() === "z" && shiftKey)) return () => editor.model.redo();
  return key.toLowerCase() === "z" ? () => editor.model.undo() : null;
}

function action(editor, key, event) {
  const { tools, objects } = editor;
  const letter = key.toLowerCase();
  if (TOOLS[letter]) return () => editor.choose(TOOLS[letter]);
  if (letter === "z") return undo(editor, event);
  if (/^[1-9]$/.test(key)) return () => objects.selectPlace(Number(key) - 1);
  if (event.target.matches("#size") && /^(Arrow|Home|End)/.test(key)) return null;
  if (key === " " && event.target.matches("button, summary, a")) return null;
  return {
    ArrowLeft: () => editor.step(event.shiftKey ? -10 : -1),
    ArrowRight: () => editor.step(event.shiftKey ? 10 : 1),
    Home: () => editor.go(editor.model.state.first),
    End: () => editor.go(editor.model.last),
    " ": () => editor.togglePlay(),
    "[": () => editor.resize(tools.size / 1.15 - 1),
    "]": () => editor.resize(tools.size * 1.15 + 1),
    n: () => objects.selectNext(1),
    N: () => objects.selectNext(-1),
    Enter: tools.points.length ? () => tools.closePolygon() : undefined,
    Escape: () => tools.abandonStroke(),
    f: () => editor.view.fit(),
    h: () => editor.toggleMasks(),
  }[key];
}
