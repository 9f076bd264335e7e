// One session as the page knows it: frames, masks painted and found, confidences; and what isn't saved yet.

import { difference, idsIn, takeObject } from "./labels.js";

const BYTES_KEPT = 2 ** 27;
const STEPS_KEPT = 200;

class Kept extends Map {
  constructor(size) {
    super();
    this.most = size;
  }

  set(key, value) {
    super.delete(key);
    super.set(key, value);
    while (this.size > this.most) {
      const oldest = this.keys().next().value;
      this.get(oldest)?.close?.();
      this.delete(oldest);
    }
    return this;
  }
}

export class Model extends EventTarget {
  constructor(api, state) {
    super();
    this.api = api;
    this.index = state.first;
    this.selected = state.objects[0]?.id ?? null;
    this.confidences = new Map(); // object id -> Map of frame -> confidence
    this.maps = new Map(); // frame -> {labels, version, saved, undo, redo}
    this.seen = 0;
    this.take(state);
    const most = Math.max(8, Math.floor(BYTES_KEPT / (state.width * state.height)));
    this.foundKept = new Kept(Math.min(most, 120));
    this.pictures = new Kept(Math.max(8, Math.min(60, Math.floor(most / 4))));
    this.saving = null;
    this.saves = 0;
  }

  tell(what) {
    this.dispatchEvent(new CustomEvent(what));
  }

  // What the server says now; masks that another tab has painted are asked for anew.
  take(state) {
    this.state = state;
    this.size = { width: state.width, height: state.height };
    for (const [index, map] of this.maps) {
      if (map.saved && map.version !== (state.painted[index] ?? "none")) this.maps.delete(index);
    }
    if (!state.objects.some(({ id }) => id === this.selected)) this.selected = state.objects[0]?.id ?? null;
    this.tell("state");
  }

  async refresh() {
    if (!this.isSaved) return;
    const { saves } = this;
    const state = await this.api.state();
    if (saves !== this.saves || !this.isSaved) return; // it is older than what was painted meanwhile
    this.take(state);
    if (!this.maps.has(this.index)) await this.show(this.index);
  }

  // What other tabs have painted, and what a terminal has found or told meanwhile.
  async notice() {
    const { told, found } = this.state;
    await this.refresh();
    if (this.state.found === found && this.state.told === told) return;
    if (this.state.told !== told) this.pictures.clear();
    await this.loadConfidences();
    await Promise.all([this.loadPicture(this.index), this.loadFound(this.index)]);
    this.tell("shown");
  }

  colour(id) {
    return this.state.colours[id];
  }

  get last() {
    return this.state.first + (this.state.frames - 1) * this.state.stride;
  }

  // The nearest frame that there is.
  nearest(index) {
    const { first, stride } = this.state;
    return Math.min(Math.max(first + Math.round((index - first) / stride) * stride, first), this.last);
  }

  get map() {
    return this.maps.get(this.index) ?? null;
  }

  get found() {
    return this.foundKept.get(this.index) ?? null;
  }

  get picture() {
    return this.pictures.get(this.index) ?? null;
  }

  // Frames with painted masks, also those that aren't saved yet.
  get marks() {
    const marks = new Set(Object.keys(this.state.painted).map(Number));
    for (const [index, map] of this.maps) map.labels.some(Boolean) ? marks.add(index) : marks.delete(index);
    return [...marks].sort((one, other) => one - other);
  }

  // Goes to a frame; what is asked for meanwhile wins.
  async show(index) {
    this.index = this.nearest(index);
    const wanted = this.index;
    this.tell("moved");
    await Promise.all([this.loadPicture(wanted), this.loadMap(wanted), this.loadFound(wanted)]);
    if (this.index === wanted) this.tell("shown");
  }

  async loadPicture(index) {
    if (!this.pictures.has(index)) this.pictures.set(index, await this.api.frame(index, this.state.told));
  }

  async loadMap(index) {
    if (this.maps.has(index)) return;
    const painted = index in this.state.painted ? await this.api.painted(index) : { labels: null, version: "none" };
    if (this.maps.has(index)) return;
    const labels = painted.labels ?? new Uint8Array(this.size.width * this.size.height);
    this.forgetUntouched();
    this.maps.set(index, { ...this.size, labels, version: painted.version, saved: true, undo: [], redo: [] });
  }

  forgetUntouched() {
    for (const [index, map] of this.maps) {
      if (this.maps.size < 24) return;
      if (map.saved && !map.undo.length && index !== this.index) this.maps.delete(index);
    }
  }

  async loadFound(index) {
    if (this.foundKept.has(index) || !this.isFound(index)) return;
    const labels = await this.api.found(index);
    if (labels) this.foundKept.set(index, labels);
  }

  isFound(index) {
    for (const values of this.confidences.values()) if (values.has(index)) return true;
    return false;
  }

  get hasFound() {
    return [...this.confidences.values()].some((values) => values.size);
  }

  addRows(rows) {
    for (const [frame, id, confidence] of rows) {
      if (!this.confidences.has(id)) this.confidences.set(id, new Map());
      this.confidences.get(id).set(frame, confidence);
      this.foundKept.delete(frame);
    }
  }

  // A frame that a camera has just shown, with what was found in it.
  addLive({ frame, rows }, picture, labels) {
    this.state.frames = frame + 1;
    this.addRows(rows);
    this.pictures.set(frame, picture);
    this.foundKept.set(frame, labels);
    this.maps.set(frame, { ...this.size, labels: new Uint8Array(labels.length), version: "none", saved: true, undo: [], redo: [] });
    this.forgetUntouched();
    this.index = frame;
    for (const event of ["moved", "confidences", "shown"]) this.tell(event);
  }

  async loadConfidences() {
    const rows = await this.api.confidences();
    this.confidences.clear();
    this.foundKept.clear();
    this.addRows(rows);
    this.tell("confidences");
  }

  // What was found of objects that aren't painted in this frame.
  shownFound() {
    const { map, found } = this;
    if (!found || !map) return found;
    const painted = idsIn(map.labels);
    return painted.size ? found.map((id) => (painted.has(id) ? 0 : id)) : found;
  }

  // Copies what was found here into what is painted, so that it can be corrected: one object, or all.
  takeFound(id = null) {
    const { map, found } = this;
    if (!map || !found) return;
    const painted = idsIn(map.labels);
    const known = new Set(this.state.objects.map((each) => each.id));
    for (const each of id === null ? idsIn(found) : [id]) {
      if (!painted.has(each) && known.has(each)) takeObject(map, found, each);
    }
  }

  // Changes the painted masks of this frame in one step that can be undone.
  edit(change) {
    const before = this.map.labels.slice();
    change(this.map);
    this.commit(before);
  }

  commit(before, index = this.index) {
    const map = this.maps.get(index);
    const step = map && difference(before, map.labels); // no map: another tab has painted the frame meanwhile
    if (!step) return;
    map.undo.push(step);
    if (map.undo.length > STEPS_KEPT) map.undo.shift();
    map.redo = [];
    this.touched(map);
  }

  undo() {
    this.step("undo", "redo", "before");
  }

  redo() {
    this.step("redo", "undo", "after");
  }

  step(from, to, which) {
    const step = this.map?.[from].pop();
    if (!step) return;
    this.map[to].push(step);
    this.map.labels.set(step[which], step.first);
    this.touched(this.map);
  }

  touched(map) {
    map.saved = false;
    this.tell("painted");
    this.save().catch((error) => this.dispatchEvent(new CustomEvent("failed", { detail: error })));
  }

  // Saves all that isn't; one after the other, so that versions follow each other.
  async save() {
    if (this.saving) return this.saving;
    this.saving = this.saveAll();
    this.saves++;
    try {
      await this.saving;
    } finally {
      this.saving = null;
      this.tell("saved");
    }
  }

  async saveAll() {
    for (let entry; (entry = [...this.maps].find(([, map]) => !map.saved)); ) {
      const [index, map] = entry;
      map.saved = true;
      try {
        map.version = await this.api.paint(index, map.labels.slice(), this.size, map.version);
      } catch (error) {
        map.saved = false;
        if (error.status === 409 || error.status === 422) { // another tab has painted it, or removed an object in it
          this.maps.delete(index);
          this.take(await this.api.state());
          await this.show(this.index);
        }
        throw error;
      }
      if (map.version === "none") delete this.state.painted[index];
      else this.state.painted[index] = map.version;
      this.state.changed = true;
    }
    this.tell("state");
  }

  get isSaved() {
    return [...this.maps.values()].every((map) => map.saved) && !this.saving;
  }
}
