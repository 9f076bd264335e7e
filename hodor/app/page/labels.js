// Label maps: one byte for each pixel, the id of the object it shows, 0 for none.

// Draws a thick line of `value` from one point to another; with `only`, over pixels of that id alone.
export function drawLine(map, from, to, radius, value, only = null) {
  const { labels, width, height } = map;
  const left = Math.max(0, Math.floor(Math.min(from.x, to.x) - radius));
  const right = Math.min(width - 1, Math.ceil(Math.max(from.x, to.x) + radius));
  const top = Math.max(0, Math.floor(Math.min(from.y, to.y) - radius));
  const bottom = Math.min(height - 1, Math.ceil(Math.max(from.y, to.y) + radius));
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const length = dx * dx + dy * dy || 1;
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const px = x + 0.5 - from.x;
      const py = y + 0.5 - from.y;
      const along = Math.min(1, Math.max(0, (px * dx + py * dy) / length));
      const distance = (px - along * dx) ** 2 + (py - along * dy) ** 2;
      const place = y * width + x;
      if (distance <= radius * radius && (only === null || labels[place] === only)) labels[place] = value;
    }
  }
  return { left, top, right: right + 1, bottom: bottom + 1 };
}

// Fills what lies within a polygon, by the even-odd rule.
export function fillPolygon(map, points, value) {
  const { labels, width, height } = map;
  for (let y = 0; y < height; y++) {
    const crossings = [];
    points.forEach((a, index) => {
      const b = points[(index + 1) % points.length];
      if (a.y <= y + 0.5 !== b.y <= y + 0.5) crossings.push(a.x + ((y + 0.5 - a.y) / (b.y - a.y)) * (b.x - a.x));
    });
    crossings.sort((one, other) => one - other);
    for (let each = 0; each + 1 < crossings.length; each += 2) {
      const first = Math.max(0, Math.ceil(crossings[each] - 0.5));
      const last = Math.min(width - 1, Math.ceil(crossings[each + 1] - 0.5) - 1);
      if (last >= first) labels.fill(value, y * width + first, y * width + last + 1);
    }
  }
}

// Gives pixels where `mask` isn't 0 a value, unless another object is there.
export function addMask(map, mask, value) {
  for (let place = 0; place < mask.length; place++) if (mask[place] && !map.labels[place]) map.labels[place] = value;
}

// Copies pixels of an object from one map where the other shows nothing.
export function takeObject(map, from, id) {
  for (let place = 0; place < from.length; place++) if (from[place] === id && !map.labels[place]) map.labels[place] = id;
}

export function idsIn(labels) {
  const present = new Uint8Array(256);
  for (const label of labels) present[label] = 1;
  const ids = new Set();
  for (let id = 1; id < 256; id++) if (present[id]) ids.add(id);
  return ids;
}

// The difference of two maps, which can be undone; null where there is none.
export function difference(before, after) {
  let first = 0;
  let last = before.length;
  while (first < last && before[first] === after[first]) first++;
  while (last > first && before[last - 1] === after[last - 1]) last--;
  return first === last ? null : { first, before: before.slice(first, last), after: after.slice(first, last) };
}
