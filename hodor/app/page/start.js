// The first page: open a video, or go on with a session.

import { beginCamera, removeSession, sessions, upload } from "./api.js";

import { Camera } from "./camera.js";

const element = (id) => document.getElementById(id);

export function prepareStart(say, attempt) {
  const drop = element("drop");
  element("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) attempt(() => send(file));
  });
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => (event.preventDefault(), drop.classList.add("over")));
  }
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) attempt(() => send(file));
  });

  let camera = null;
  let turns = 0;
  const close = () => {
    turns++;
    camera?.close();
    camera?.video.remove();
    camera = null;
    element("shown").hidden = true;
  };
  window.addEventListener("hashchange", close);
  element("camera").addEventListener("click", () => attempt(async () => {
    say("");
    close();
    const turn = turns;
    const opened = await Camera.open();
    if (turn !== turns) return opened.close(); // the page was left, or the button pressed again, while the browser asked
    camera = opened;
    element("shown").prepend(camera.video);
    element("shown").hidden = false;
    await camera.video.play();
  }));
  element("picture").addEventListener("click", () => attempt(async () => {
    location.hash = await beginCamera(await camera.picture());
  }));

  async function send(file) {
    say("");
    element("uploading").hidden = false;
    element("upload-name").textContent = file.name;
    try {
      const { room, folder } = await sessions();
      if (file.size > room) throw new Error(noRoom(file, room, folder));
      location.hash = await upload(file, (part) => (element("upload").value = part));
    } finally {
      element("uploading").hidden = true;
      element("upload").value = 0;
    }
  }
}

function noRoom(file, room, folder) {
  const [size, free] = [file.size, room].map((bytes) => `${(bytes / 1e9).toFixed(1)} GB`);
  return `${file.name}: has ${size}, and there is room for ${free} in ${folder}; free some space, or start hodor app with the file's name, which makes no copy`;
}

export async function showStart(attempt) {
  const { sessions: found, folder } = await sessions();
  element("earlier").hidden = !found.length;
  element("folder").textContent = folder;
  element("sessions").replaceChildren(...found.map((each) => card(each, attempt)));
}

function card(session, attempt) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `#${encodeURIComponent(session.id)}`;
  const picture = document.createElement("img");
  picture.alt = "";
  picture.loading = "lazy";
  if (!session.error) picture.src = `/api/sessions/${encodeURIComponent(session.id)}/frames/${session.first}`;
  const text = document.createElement("div");
  text.className = "text";
  const title = document.createElement("strong");
  title.textContent = session.title;
  const about = document.createElement("span");
  about.className = "hint";
  about.textContent = session.error ?? `${session.frames} frames · ${session.width}×${session.height}`;
  text.append(title, about);
  link.append(picture, text);
  const remove = document.createElement("button");
  remove.type = "button";
  remove.textContent = "✕";
  remove.setAttribute("aria-label", `Remove ${session.title}`);
  remove.title = "Remove this session with its masks";
  remove.addEventListener("click", () => attempt(async () => {
    const question = session.linked ? `Take ${session.title} off this list? Its folder stays as it is.` : `Remove ${session.title} with all its masks?`;
    if (!confirm(question)) return;
    await removeSession(session.id);
    await showStart(attempt);
  }));
  item.append(link, remove);
  return item;
}
