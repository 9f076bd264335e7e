// A camera that the browser has: its stream, and single pictures of it.

export class Camera {
  static async open(size = null) {
    if (!navigator.mediaDevices?.getUserMedia) throw new Error("this browser gives no camera to a page");
    const wanted = size ? { width: { ideal: size.width }, height: { ideal: size.height } } : { width: { ideal: 640 }, height: { ideal: 480 } };
    try {
      return new Camera(await navigator.mediaDevices.getUserMedia({ video: wanted }));
    } catch (error) {
      const reason = { NotAllowedError: "it isn't allowed to", NotFoundError: "there is none", NotReadableError: "another program uses it" };
      throw new Error(`the browser shows no camera: ${reason[error.name] ?? error.message}`);
    }
  }

  constructor(stream) {
    this.stream = stream;
    this.video = document.createElement("video");
    Object.assign(this.video, { srcObject: stream, muted: true, playsInline: true });
  }

  // A JPEG of what it shows now, of the given size or its own.
  async picture(size = null) {
    if (this.video.paused) await this.video.play();
    if (this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
      await new Promise((resolve) => this.video.addEventListener("loadeddata", resolve, { once: true }));
    }
    const { videoWidth, videoHeight } = this.video;
    const { width, height } = size ?? { width: videoWidth, height: videoHeight };
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").drawImage(this.video, 0, 0, width, height);
    return canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
  }

  close() {
    for (const track of this.stream.getTracks()) track.stop();
  }
}

// Follows the painted objects in what a camera shows, until `stop`; each picture is sent when the one before is answered.
export class Live {
  constructor(model, onFrame) {
    Object.assign(this, { model, onFrame });
    this.times = [];
  }

  async run() {
    const camera = await Camera.open(this.model.size);
    this.socket = this.model.api.live();
    this.socket.binaryType = "arraybuffer";
    try {
      await new Promise((resolve, reject) => {
        this.socket.onclose = () => reject(new Error("the server ended; what the camera showed is kept"));
        this.socket.onmessage = ({ data }) => this.answer(data, camera, resolve, reject).catch(reject);
      });
    } finally {
      camera.close();
      this.socket.close();
    }
  }

  stop() {
    this.isStopping = true;
  }

  async answer(data, camera, resolve, reject) {
    if (typeof data !== "string") return this.take(new Uint8Array(data), camera);
    const told = JSON.parse(data);
    if (told.error) reject(new Error(told.error));
    else if (told.over) resolve();
    else if (told.ready) await this.send(camera);
    else this.told = told;
    return undefined;
  }

  async send(camera) {
    this.picture = this.isStopping ? new Blob() : await camera.picture(this.model.size);
    this.socket.send(this.picture);
  }

  async take(labels, camera) {
    const { model, picture, told } = this;
    const bitmap = await createImageBitmap(picture);
    this.times = [...this.times.slice(-20), performance.now()];
    model.addLive(told, bitmap, labels);
    this.onFrame(told.frame, this.rate);
    await this.send(camera);
  }

  // Frames per second, of late.
  get rate() {
    const { times } = this;
    return times.length > 1 ? (1000 * (times.length - 1)) / (times.at(-1) - times[0]) : 0;
  }
}
