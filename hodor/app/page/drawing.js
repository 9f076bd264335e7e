// When things are drawn.

// Gives a function that draws before the browser shows its next picture, once, however often it is called until then.
export function oncePerPicture(draw) {
  let isQueued = false;
  return () => {
    if (isQueued) return;
    isQueued = true;
    requestAnimationFrame(() => {
      isQueued = false;
      draw();
    });
  };
}
