// Frames a second, latency and the networks' share, over the last seconds.

const KEPT_MS = 3000, SHOW_MS = 250;

export class Meter {
  constructor(find) {
    this.shown = Object.fromEntries(["rate", "median", "p90", "share"].map((id) => [id, find(id)]));
    this.clear();
  }

  clear() {
    this.frames = [];
    this.last = 0;
    for (const each of Object.values(this.shown)) each.textContent = "–";
  }

  // One frame: when it was shown, how long after it was taken, and how long the networks computed, in ms.
  add(now, latency, computing) {
    this.frames.push({ now, latency, computing });
    while (now - this.frames[0].now > KEPT_MS) this.frames.shift();
    if (now - this.last < SHOW_MS || this.frames.length < 5) return;
    this.last = now;
    const { frames } = this, span = now - frames[0].now;
    const latencies = frames.map((each) => each.latency).sort((a, b) => a - b);
    const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))];
    const computed = frames.slice(1).reduce((sum, each) => sum + each.computing, 0);
    this.write("rate", ((frames.length - 1) / span * 1000).toFixed(1), "");
    this.write("median", at(0.5).toFixed(0), "ms");
    this.write("p90", at(0.9).toFixed(0), "ms");
    this.write("share", (100 * computed / span).toFixed(0), "%");
  }

  write(id, value, unit) {
    this.shown[id].textContent = value;
    if (!unit) return;
    const small = document.createElement("small");
    small.textContent = ` ${unit}`;
    this.shown[id].append(small);
  }
}
