// What the page asks the server for. Every failure is an Error whose message is one line for people.

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(method, path, { json, body, headers = {}, root = "/api/sessions" } = {}) {
  const options = { method, headers: { ...headers } };
  if (json !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(json);
  } else if (body !== undefined) {
    options.headers["content-type"] = "application/octet-stream";
    options.body = body;
  }
  let answer;
  try {
    answer = await fetch(root + path, options);
  } catch {
    throw new Refused(0, "the server doesn't answer; start hodor app again, everything that was saved is kept");
  }
  if (!answer.ok) throw new Refused(answer.status, (await answer.text()).slice(0, 500) || `failed (${answer.status})`);
  return answer;
}

const read = async (path) => (await ask("GET", path)).json();

async function labels(answer) {
  const content = answer.status === 204 ? null : new Uint8Array(await answer.arrayBuffer());
  return { labels: content, version: answer.headers.get("x-version") };
}

export const sessions = () => read("");
export const beginCamera = async (picture) => (await (await ask("POST", "", { body: picture, root: "/api/cameras" })).json()).id;
export const removeSession = (id) => ask("DELETE", `/${id}`);

// Sends a video; `onProgress` is called with the part that has arrived, 0 to 1.
export function upload(file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/sessions?name=${encodeURIComponent([...file.name].slice(-80).join(""))}`);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.upload.onprogress = (event) => onProgress(event.loaded / (event.total || 1));
    request.onload = () =>
      request.status === 201
        ? resolve(JSON.parse(request.responseText).id)
        : reject(new Refused(request.status, request.responseText.slice(0, 500) || `failed (${request.status})`));
    request.onerror = () => reject(new Refused(0, `${file.name}: the server refused it or ended; is there room on its disk?`));
    request.send(file);
  });
}

// Everything that concerns one session.
export class SessionApi {
  constructor(id) {
    this.path = `/${encodeURIComponent(id)}`;
  }

  url(rest) {
    return `/api/sessions${this.path}/${rest}`;
  }

  state() {
    return read(this.path);
  }

  async change(changes) {
    return (await ask("PATCH", this.path, { json: changes })).json();
  }

  async addObject(name) {
    return (await (await ask("POST", `${this.path}/objects`, { json: { name } })).json()).id;
  }

  renameObject(id, name) {
    return ask("PATCH", `${this.path}/objects/${id}`, { json: { name } });
  }

  removeObject(id) {
    return ask("DELETE", `${this.path}/objects/${id}`);
  }

  // `version` tells frames from those that a browser has kept of another run in the folder.
  async frame(index, version) {
    const answer = await ask("GET", `${this.path}/frames/${index}?version=${version}`);
    return createImageBitmap(await answer.blob());
  }

  async painted(index) {
    return labels(await ask("GET", `${this.path}/painted/${index}`));
  }

  async found(index) {
    return (await labels(await ask("GET", `${this.path}/found/${index}`))).labels;
  }

  async paint(index, content, { width, height }, version) {
    const path = `${this.path}/painted/${index}?width=${width}&height=${height}`;
    return (await (await ask("PUT", path, { body: content, headers: { "if-match": version } })).json()).version;
  }

  async cut(pointed) {
    return (await labels(await ask("POST", `${this.path}/cut`, { json: pointed }))).labels;
  }

  async drawn(index, file) {
    return (await labels(await ask("POST", `${this.path}/drawn/${index}`, { body: file }))).labels;
  }

  confidences() {
    return read(`${this.path}/confidences`);
  }

  run() {
    return ask("POST", `${this.path}/run`);
  }

  live() {
    return new WebSocket(`ws://${location.host}${this.url("live")}`);
  }

  cancel() {
    return ask("DELETE", `${this.path}/run`);
  }

  progress(after) {
    return read(`${this.path}/run?after=${after}`);
  }

  make(form) {
    return ask("POST", `${this.path}/make/${form}`);
  }
}
