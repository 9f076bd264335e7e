// Which page is shown: the start, or a session, as the address says; and one line for whatever went wrong.

import { Editor, rememberEditor } from "./editor.js";
import { prepareStart, showStart } from "./start.js";

let editor = null;
let turns = 0; // of pages that were asked for

function say(message, kind = "error") {
  const line = document.getElementById("message");
  line.querySelector("p").textContent = message;
  line.hidden = !message;
  line.classList.toggle("busy", kind === "busy");
}

// Does something; says in one line why it failed, if it did.
async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    say(error.message);
    return undefined;
  }
}

async function route() {
  const turn = ++turns;
  const isWanted = () => turn === turns;
  editor?.close();
  editor = null;
  say("");
  const id = decodeURIComponent(location.hash.slice(1));
  const start = document.getElementById("start");
  start.hidden = Boolean(id);
  document.getElementById("title").textContent = "";
  document.title = "hodor";
  if (id) {
    const opened = await attempt(() => Editor.open(id, say, attempt, isWanted));
    if (!isWanted()) return; // another page was asked for meanwhile
    editor = opened;
    if (editor) return;
    start.hidden = false;
    history.replaceState(null, "", "#");
  }
  try {
    await showStart(attempt);
  } catch (error) {
    say(error.message);
  }
}

document.querySelector("#message button").addEventListener("click", () => say(""));
rememberEditor();
prepareStart(say, attempt);
window.addEventListener("hashchange", route);
route();
