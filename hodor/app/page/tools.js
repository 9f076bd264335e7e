// What a pointer does on the canvas: brush, eraser, polygon, box and click; two fingers zoom, the middle button pans.

import { addMask, difference, drawLine, fillPolygon, idsIn } from "./labels.js";

const CLOSE = 10; // CSS pixels within which a polygon is closed

export class Tools {
  constructor(view, model, say) {
    Object.assign(this, { view, model, say });
    this.tool = "brush";
    this.size = Math.max(4, Math.round(Math.min(model.size.width, model.size.height) / 16));
    this.pointers = new Map();
    this.hover = null;
    this.stroke = null;
    this.reset();
    view.sketch = (...context) => this.sketch(...context);
    const listen = (name, act) => view.canvas.addEventListener(name, (event) => act.call(this, event));
    listen("pointerdown", this.down);
    listen("pointermove", this.moved);
    listen("pointerup", this.up);
    listen("pointercancel", this.up);
    listen("pointerleave", () => ((this.hover = null), view.draw()));
    listen("dblclick", () => this.tool === "polygon" && this.closePolygon());
    listen("contextmenu", (event) => event.preventDefault());
    view.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    model.addEventListener("moved", () => this.reset());
  }

  choose(tool) {
    this.reset();
    this.tool = tool;
    this.view.draw();
  }

  // Forgets what was begun: a polygon, a box, the clicks on an object. A stroke is kept as far as it came.
  reset() {
    if (this.stroke) this.endStroke();
    this.points = [];
    this.box = null;
    this.clicks = null;
    this.view.draw();
  }

  down(event) {
    event.preventDefault();
    this.view.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.pointers.size === 2) return this.abandonStroke();
    if (event.button === 1) return;
    if (this.model.selected === null) return this.say("add an object first");
    if (!this.model.map || !this.model.picture) return;
    const point = this.view.at(event);
    if (this.tool === "brush" || this.tool === "eraser") this.beginStroke(point, event.button === 2);
    else if (this.tool === "polygon") this.addPoint(point);
    else if (this.tool === "box") this.box = { from: point, to: point };
    else this.click(point, event.altKey || event.shiftKey || event.button === 2);
  }

  moved(event) {
    const before = this.pointers.get(event.pointerId);
    this.hover = this.view.at(event);
    if (before && this.pointers.size === 2) this.pinch(event, before);
    else if (before && event.buttons === 4) this.view.move(event.clientX - before.x, event.clientY - before.y);
    else if (this.stroke) for (const each of event.getCoalescedEvents?.() ?? [event]) this.goOn(this.view.at(each));
    else if (this.box) this.box.to = this.hover;
    if (before) this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.view.draw();
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    if (this.stroke) this.endStroke();
    if (this.box) this.cutBox();
  }

  wheel(event) {
    event.preventDefault();
    this.view.zoomAt(event, Math.exp(-event.deltaY / 400));
  }

  pinch(event, before) {
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
    const distance = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
    const middle = { clientX: (event.clientX + other.x) / 2, clientY: (event.clientY + other.y) / 2 };
    this.view.zoomAt(middle, distance({ x: event.clientX, y: event.clientY }) / distance(before));
    this.view.move((event.clientX - before.x) / 2, (event.clientY - before.y) / 2);
  }

  // An object that was found here but isn't painted is corrected from what was found.
  prepared(map) {
    if (!idsIn(map.labels).has(this.model.selected)) this.model.takeFound(this.model.selected);
  }

  beginStroke(point, erases) {
    const { map, index } = this.model;
    this.stroke = { before: map.labels.slice(), last: point, erases: erases || this.tool === "eraser", index };
    this.prepared(map);
    this.view.refresh();
    this.goOn(point);
  }

  goOn(point) {
    const { last, erases } = this.stroke;
    const id = this.model.selected;
    const part = drawLine(this.model.map, last, point, this.size / 2, erases ? 0 : id, erases ? id : null);
    this.stroke.last = point;
    this.view.refresh(part);
  }

  endStroke() {
    const { before, index } = this.stroke;
    this.stroke = null;
    this.model.commit(before, index);
  }

  abandonStroke() {
    if (this.stroke) this.model.map?.labels.set(this.stroke.before);
    this.stroke = null;
    this.reset();
    this.view.refresh();
  }

  addPoint(point) {
    const { scale } = this.view.place;
    const first = this.points[0];
    const isClosing = this.points.length > 2 && Math.hypot(point.x - first.x, point.y - first.y) * scale < CLOSE;
    if (isClosing) this.closePolygon();
    else this.points.push(point);
    this.view.draw();
  }

  closePolygon() {
    const points = this.points.filter((point, index, all) => !index || Math.hypot(point.x - all[index - 1].x, point.y - all[index - 1].y) > 0.5);
    this.reset();
    if (points.length < 3) return;
    this.model.edit((map) => {
      this.prepared(map);
      fillPolygon(map, points, this.model.selected);
    });
  }

  async cutBox() {
    const { from, to } = this.box;
    this.box = null;
    const box = [Math.min(from.x, to.x), Math.min(from.y, to.y), Math.max(from.x, to.x), Math.max(from.y, to.y)];
    if (box[2] - box[0] < 2 && box[3] - box[1] < 2) return this.say("draw the box from one corner to the other");
    await this.cut({ kind: "box", box });
  }

  async click(point, isOutside) {
    const { width, height } = this.model.size;
    if (point.x < 0 || point.y < 0 || point.x >= width || point.y >= height) return;
    const { selected } = this.model;
    if (this.clicks?.object !== selected) {
      const before = this.model.map.labels.slice();
      this.clicks = { object: selected, before, after: before, points: [], not_points: [] };
    }
    this.clicks[isOutside ? "not_points" : "points"].push([point.x, point.y]);
    const { points, not_points } = this.clicks;
    if (points.length) await this.cut({ kind: "click", points, not_points }, this.clicks);
  }

  // Asks the server for a mask, and adds it to what is painted, in place of what earlier clicks on the object have brought.
  async cut(pointed, clicks = null) {
    const { index, selected } = this.model;
    try {
      this.say("cutting out ...", "busy");
      const mask = await this.model.api.cut({ frame: index, ...pointed });
      this.say("");
      if (this.model.index !== index) return;
      this.model.edit((map) => {
        if (clicks && !difference(clicks.after, map.labels)) map.labels.set(clicks.before); // else something was painted meanwhile
        addMask(map, mask, selected);
        if (clicks) clicks.after = map.labels.slice();
      });
    } catch (error) {
      this.say(error.message);
    }
  }

  sketch(context, place, scale) {
    const { hover, points, box } = this;
    context.lineWidth = 1.5;
    if (hover && (this.tool === "brush" || this.tool === "eraser")) {
      const { x, y } = place(hover);
      circle(context, x, y, (this.size / 2) * scale);
    }
    if (points.length) {
      outline(context, [...points, ...(hover ? [hover] : [])].map(place));
      points.map(place).forEach(({ x, y }, index) => circle(context, x, y, index ? 2 : CLOSE / 2));
    }
    if (box) {
      const { from, to } = box;
      outline(context, [from, { x: to.x, y: from.y }, to, { x: from.x, y: to.y }, from].map(place));
    }
    for (const [list, colour] of [[this.clicks?.points, "#fff"], [this.clicks?.not_points, "#e5484d"]]) {
      for (const [px, py] of list ?? []) {
        const { x, y } = place({ x: px, y: py });
        context.fillStyle = colour;
        context.beginPath();
        context.arc(x, y, 4, 0, 7);
        context.fill();
        circle(context, x, y, 5);
      }
    }
  }
}

function circle(context, x, y, radius) {
  for (const [colour, more] of [["#000a", 1], ["#fff", 0]]) {
    context.strokeStyle = colour;
    context.beginPath();
    context.arc(x, y, Math.max(radius + more, 1), 0, 7);
    context.stroke();
  }
}

function outline(context, points) {
  for (const [colour, width] of [["#000a", 3.5], ["#fff", 1.5]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    points.forEach(({ x, y }, index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
  }
}
