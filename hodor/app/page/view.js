// The canvas: a frame, what was found and painted over it, and lines of the tool in hand. Zoom and pan.

import { oncePerPicture } from "./drawing.js";

const FOUND = 105; // opacity of 255
const PAINTED = 140;

function channels(colour) {
  return [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));
}

export class View {
  constructor(canvas, model) {
    this.canvas = canvas;
    this.model = model;
    this.context = canvas.getContext("2d");
    this.layer = new OffscreenCanvas(model.size.width, model.size.height);
    this.layerContext = this.layer.getContext("2d");
    this.colours = model.state.colours.map(channels);
    this.zoom = 1;
    this.pan = { x: 0, y: 0 };
    this.sketch = null; // draws the tool's lines
    this.isShown = true;
    this.draw = oncePerPicture(() => this.drawNow());
    new ResizeObserver(() => this.draw()).observe(canvas);
    for (const event of ["shown", "painted", "saved"]) model.addEventListener(event, () => this.refresh());
    model.addEventListener("moved", () => model.picture && this.refresh());
  }

  // Paints the layer of masks anew, all of it or a part and the pixels around it, whose borders may have changed.
  refresh(part = null) {
    const { width, height } = this.model.size;
    const left = part ? Math.max(part.left - 1, 0) : 0;
    const top = part ? Math.max(part.top - 1, 0) : 0;
    const right = part ? Math.min(part.right + 1, width) : width;
    const bottom = part ? Math.min(part.bottom + 1, height) : height;
    if (right <= left || bottom <= top) return;
    if (!part || !this.shownFound) this.shownFound = this.model.shownFound();
    const image = new ImageData(right - left, bottom - top);
    const painted = this.model.map?.labels;
    if (painted) this.tint(image, painted, PAINTED, left, top);
    if (this.shownFound) this.tint(image, this.shownFound, FOUND, left, top, painted);
    this.layerContext.putImageData(image, left, top);
    this.draw();
  }

  tint(image, labels, opacity, left, top, above = null) {
    const { width, height } = this.model.size;
    const { data } = image;
    for (let y = 0; y < image.height; y++) {
      for (let x = 0; x < image.width; x++) {
        const place = (y + top) * width + x + left;
        const id = labels[place];
        if (!id || above?.[place]) continue;
        const column = x + left;
        const row = y + top;
        const isBorder =
          (column && labels[place - 1] !== id) ||
          (column + 1 < width && labels[place + 1] !== id) ||
          (row && labels[place - width] !== id) ||
          (row + 1 < height && labels[place + width] !== id);
        data.set(this.colours[id], 4 * (y * image.width + x));
        data[4 * (y * image.width + x) + 3] = isBorder ? 255 : opacity;
      }
    }
  }

  // CSS pixels for each pixel of the frame, and where its corner is.
  get place() {
    const { width, height } = this.model.size;
    const { clientWidth, clientHeight } = this.canvas;
    const fit = Math.min(clientWidth / width, clientHeight / height) || 1;
    const scale = fit * this.zoom;
    return {
      scale,
      x: (clientWidth - width * scale) / 2 + this.pan.x,
      y: (clientHeight - height * scale) / 2 + this.pan.y,
    };
  }

  // Where a pointer is, in pixels of the frame.
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const { scale, x, y } = this.place;
    return { x: (event.clientX - box.left - x) / scale, y: (event.clientY - box.top - y) / scale };
  }

  zoomAt(event, factor) {
    const before = this.at(event);
    this.zoom = Math.min(16, Math.max(1, this.zoom * factor));
    if (this.zoom === 1) this.pan = { x: 0, y: 0 };
    const after = this.at(event);
    const { scale } = this.place;
    if (this.zoom > 1) this.move((after.x - before.x) * scale, (after.y - before.y) * scale);
    this.draw();
  }

  move(x, y) {
    this.pan = { x: this.pan.x + x, y: this.pan.y + y };
    this.draw();
  }

  fit() {
    this.zoom = 1;
    this.pan = { x: 0, y: 0 };
    this.draw();
  }

  drawNow() {
    const { canvas, context, model } = this;
    const ratio = window.devicePixelRatio || 1;
    const size = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    const { scale, x, y } = this.place;
    const { width, height } = model.size;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    context.imageSmoothingEnabled = scale < 3;
    this.picture = model.picture ?? this.picture; // until another frame has come the last one stays
    if (this.picture?.width) context.drawImage(this.picture, x, y, width * scale, height * scale);
    if (this.isShown) context.drawImage(this.layer, x, y, width * scale, height * scale);
    this.sketch?.(context, (point) => ({ x: x + point.x * scale, y: y + point.y * scale }), scale);
  }
}
