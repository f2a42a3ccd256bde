// A card for each network: its name, and bars of its most probable classes.

const SMOOTH_MS = 200; // over which frames of a camera are smoothed

export function makeCard(about, number, top) {
  const card = element("article", number ? "card second" : "card");
  const title = element("h2", "", about.name);
  title.id = `network-${number}`;
  card.setAttribute("aria-labelledby", title.id);
  const precision = about.precision === "32" ? "float32" : about.precision === "bf16" ? "bfloat16" : about.precision;
  const told = element("p", "about", `${about.size} px, ${precision}, ${about.ms} ms an image`);
  const list = element("ol", "bars");
  const rows = Array.from({ length: Math.min(top, about.classes) }, () => {
    const row = element("li");
    const label = element("span", "label", "–"), share = element("span", "share", "");
    const track = element("div", "track"), fill = element("div", "fill");
    track.setAttribute("aria-hidden", "true");
    track.append(fill);
    row.append(label, share, track);
    list.append(row);
    return { label, share, fill };
  });
  card.append(title, told, list);
  let smoothed = new Map(), before = 0;

  return {
    card,
    best: () => rows[0].label.textContent,
    // `pairs` are [class, probability]; `now` in ms, or 0 for a picture that is shown as it is.
    show(pairs, now) {
      if (!now || now - before > 2000) smoothed = new Map(pairs);
      else {
        const keep = Math.exp(-(now - before) / SMOOTH_MS), fresh = new Map(pairs);
        for (const name of smoothed.keys()) if (!fresh.has(name)) fresh.set(name, 0);
        for (const [name, p] of fresh) fresh.set(name, keep * (smoothed.get(name) ?? 0) + (1 - keep) * p);
        const ranked = [...fresh].sort((a, b) => b[1] - a[1]);
        smoothed = new Map(ranked.filter(([, p], place) => place < rows.length || p > 1e-4));
      }
      before = now;
      const order = [...smoothed].sort((a, b) => b[1] - a[1]);
      rows.forEach(({ label, share, fill }, place) => {
        const [name, p] = order[place] ?? ["–", 0];
        if (label.textContent !== name) { label.textContent = name; label.title = name; }
        share.textContent = `${(100 * p).toFixed(p >= 0.9995 ? 0 : 1)} %`;
        fill.style.transform = `scaleX(${p.toFixed(4)})`;
      });
    },
  };
}

export function element(tag, name = "", text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}
