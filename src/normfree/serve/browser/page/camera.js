// The camera of the browser, and the square of a frame that is sent.

const LEAST = 224; // px of the side that is sent, so that the server's own resizing has something to work with
const QUALITY = 0.85;
const LONGEST_MS = 250; // without a new frame

export class Camera {
  constructor(video) {
    this.video = video;
    this.canvas = document.createElement("canvas");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.small = document.createElement("canvas").getContext("2d", { alpha: false, willReadFrequently: true });
    this.small.canvas.width = this.small.canvas.height = 8;
    this.stream = null;
  }

  // Throws { title, text } in words for the user.
  async open(device) {
    this.close();
    if (!navigator.mediaDevices?.getUserMedia) {
      throw { title: "No camera on this page", text: "Browsers give the camera only to https pages and to this machine's own. You can still open an image." };
    }
    const wanted = device ? { deviceId: { exact: device } } : { facingMode: { ideal: "environment" } };
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        video: { ...wanted, width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 60 } }, audio: false,
      });
    } catch (error) {
      throw WORDS[error.name] ?? { title: "The camera cannot be opened", text: `${error.message || error.name}. You can still open an image.` };
    }
    this.video.srcObject = this.stream;
    await this.video.play();
    this.watch(this.stream);
  }

  // A frame is sent once, however quick the server is.
  watch(stream) {
    this.fresh = true;
    if (!this.video.requestVideoFrameCallback) return;
    const seen = () => {
      if (this.stream !== stream) return;
      this.fresh = true;
      this.wake?.();
      this.video.requestVideoFrameCallback(seen);
    };
    this.video.requestVideoFrameCallback(seen);
  }

  // Resolves when there is a frame that was not grabbed yet, or after a while.
  async next() {
    if (!this.video.requestVideoFrameCallback) await new Promise((done) => requestAnimationFrame(done));
    else if (!this.fresh) await new Promise((done) => { this.wake = done; setTimeout(done, LONGEST_MS); });
    this.fresh = false;
  }

  close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = this.video.srcObject = null;
  }

  get isLive() { return this.stream?.active && this.video.readyState >= 2; }

  async list() {
    const all = await navigator.mediaDevices.enumerateDevices();
    return all.filter((each) => each.kind === "videoinput");
  }

  // A JPEG of the central square; with `invert`, of its negative where it is light.
  grab(size, invert) {
    const { videoWidth: width, videoHeight: height } = this.video, side = Math.min(width, height);
    const sent = Math.min(side, Math.max(LEAST, Math.ceil(size * 1.15))), { canvas, context } = this;
    if (canvas.width !== sent) canvas.width = canvas.height = sent;
    context.drawImage(this.video, (width - side) / 2, (height - side) / 2, side, side, 0, 0, sent, sent);
    if (invert && this.isLight()) {
      context.globalCompositeOperation = "difference";
      context.fillStyle = "#fff";
      context.fillRect(0, 0, sent, sent);
      context.globalCompositeOperation = "source-over";
    }
    return new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
  }

  isLight() {
    this.small.drawImage(this.canvas, 0, 0, 8, 8);
    const { data } = this.small.getImageData(0, 0, 8, 8);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum += data[i] + data[i + 1] + data[i + 2];
    return sum / (data.length / 4) / 3 > 127;
  }
}

const WORDS = {
  NotAllowedError: { title: "The camera is not allowed", text: "Allow it for this page in the browser's settings, then try again. You can still open an image." },
  NotFoundError: { title: "There is no camera", text: "Connect one and try again. You can still open an image." },
  NotReadableError: { title: "The camera is in use", text: "Close the program that uses it, then try again." },
  OverconstrainedError: { title: "That camera is gone", text: "Connect it and try again, or choose another." },
};
