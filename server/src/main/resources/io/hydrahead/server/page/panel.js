// The head map, and what the server holds and does now.

const $ = (id) => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 344;
const LEFT = 22;
const TOP = 16;
const GROUP_GAP = 3;

export const count = (n) => n.toLocaleString('en');

/** Bytes with three digits. */
export function bytes(n) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let u = 0;
  for (; n >= 999.5 && u < units.length - 1; u++) {
    n /= 1000;
  }
  return `${u === 0 || n >= 99.5 ? Math.round(n) : n.toPrecision(n < 1 ? 2 : 3)} ${units[u]}`;
}

function tokens(n) {
  return n >= 1024 && n % 1024 === 0 ? `${n / 1024}K` : count(n);
}

function shape(name, attributes, text) {
  const e = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    e.setAttribute(key, value);
  }
  if (text !== undefined) {
    e.textContent = text;
  }
  return e;
}

export class Panel {
  #facts;
  #full;
  #cursor = [0, 0];
  #before = null;
  #frame = null;

  /** Shows what does not change. */
  model(facts) {
    this.#facts = facts;
    this.#full = facts.full_attention_heads.map((heads) => new Set(heads));
    const all = facts.layers * facts.heads;
    const full = facts.full_attention_heads.reduce((n, heads) => n + heads.length, 0);
    const m = facts.memory;
    const share = m.kv_bytes_per_token / m.vanilla_kv_bytes_per_token;
    const other = facts.other_heads === 'window' ? 'attention in a window' : 'linear attention';
    $('model').textContent = facts.id;
    document.title = `${facts.id} – HydraHead`;
    $('shape').textContent =
      `${facts.layers} layers of ${facts.heads} heads, up to ${tokens(facts.max_model_len)} tokens`;
    $('other').textContent = other;
    $('other').parentElement.hidden = full === all;
    $('heads').textContent = full === all
      ? `All ${count(all)} have full attention: a plain Transformer.`
      : `${count(full)} of ${count(all)} have full attention, the others ${other}. `
        + `The KV cache takes ${percent(share)} of what it would with all heads full.`;
    this.#draw(`${full} of ${all} heads have full attention`);
    $('one').textContent = this.#one();
  }

  /** One text as long as the model takes, here and with all heads full. */
  #one() {
    const { memory: m, max_model_len: n } = this.#facts;
    const own = n * m.kv_bytes_per_token + Math.min(n, m.window_tokens) * m.window_bytes_per_token + m.state_bytes;
    const vanilla = n * m.vanilla_kv_bytes_per_token;
    return own === vanilla
      ? `One text of ${tokens(n)} tokens takes ${bytes(own)}.`
      : `One text of ${tokens(n)} tokens takes ${bytes(own)}; with all heads full ${bytes(vanilla)}.`;
  }

  #draw(label) {
    const { layers, heads, kv_heads: kvHeads } = this.#facts;
    const group = heads / kvHeads;
    const gap = group > 1 ? GROUP_GAP : 0;
    const width = (WIDTH - LEFT - gap * (kvHeads - 1)) / heads;
    const height = Math.min(20, Math.max(5, width * 0.7));
    const x = (h) => LEFT + h * width + Math.floor(h / group) * gap;
    const y = (l) => TOP + l * (height + 1);
    const svg = shape('svg', { viewBox: `0 0 ${WIDTH} ${y(layers) + 2}`, 'aria-hidden': 'true' });
    const everyHead = Math.ceil(heads / 16);
    const everyLayer = height < 11 ? 4 : 1;
    svg.append(shape('text', { x: 0, y: 9 }, 'layer'));
    for (let h = 0; h < heads; h += everyHead) {
      if (x(h) + width / 2 > 32) {
        svg.append(shape('text', { x: x(h) + width / 2, y: 9, 'text-anchor': 'middle' }, h));
      }
    }
    for (let l = 0; l < layers; l++) {
      if (l % everyLayer === 0) {
        svg.append(shape('text', { x: LEFT - 6, y: y(l) + height / 2 + 3.5, 'text-anchor': 'end' }, l));
      }
      for (let h = 0; h < heads; h++) {
        const cell = shape('rect', {
          x: x(h) + 0.5, y: y(l), width: width - 1, height, rx: Math.min(3, width / 5),
          class: this.#full[l].has(h) ? 'full' : 'other',
        });
        cell.addEventListener('pointerenter', () => this.#tell(l, h));
        svg.append(cell);
      }
    }
    this.#frame = shape('rect', { class: 'cursor', width: width + 1, height: height + 2, rx: 3, visibility: 'hidden' });
    svg.append(this.#frame);
    const map = $('map');
    map.replaceChildren(svg);
    map.setAttribute('aria-label', `Head map: ${label}. Arrow keys tell of each.`);
    this.#place = (l, h) => {
      this.#frame.setAttribute('x', x(h) - 0.5);
      this.#frame.setAttribute('y', y(l) - 1);
    };
    map.addEventListener('focus', () => this.#tell(...this.#cursor));
    map.addEventListener('blur', () => this.#leave());
    map.addEventListener('pointerleave', () => this.#leave());
    map.addEventListener('keydown', (e) => this.#move(e));
  }

  #place = () => {};

  #move(e) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[e.key];
    if (step) {
      e.preventDefault();
      const within = (n, most) => Math.min(most - 1, Math.max(0, n));
      this.#tell(
        within(this.#cursor[0] + step[0], this.#facts.layers), within(this.#cursor[1] + step[1], this.#facts.heads));
    }
  }

  #tell(l, h) {
    this.#cursor = [l, h];
    this.#place(l, h);
    this.#frame.setAttribute('visibility', 'visible');
    const kv = Math.floor(h * this.#facts.kv_heads / this.#facts.heads);
    $('cell').textContent = `Layer ${l}, head ${h}: `
      + (this.#full[l].has(h) ? `full attention, keeps the cache of KV head ${kv}` : $('other').textContent);
  }

  #leave() {
    this.#frame.setAttribute('visibility', 'hidden');
    $('cell').textContent = '';
  }

  /** Shows how things stand. */
  state(s) {
    const own = s.kv_bytes + s.state_bytes;
    const vanilla = s.vanilla_kv_bytes;
    const most = Math.max(own, vanilla, 1);
    const width = (id, part) => { $(id).style.width = `${100 * part / most}%`; };
    width('bar-kv', s.kv_bytes);
    width('bar-state', s.state_bytes);
    width('bar-vanilla', vanilla);
    $('sum-own').textContent = bytes(own);
    $('sum-vanilla').textContent = bytes(vanilla);
    $('kv').textContent = bytes(s.kv_bytes);
    $('state').textContent = bytes(s.state_bytes);
    $('held').textContent = held(s, own, vanilla);
    $('rate').textContent = this.#rate(s);
    $('running').textContent = count(s.running);
    $('waiting').textContent = count(s.waiting);
    $('hits').textContent = s.cache_lookups ? percent(s.cache_hits / s.cache_lookups) : '–';
    $('saved').textContent = s.prompt_tokens
      ? `${count(s.cached_tokens)} of ${count(s.prompt_tokens)} tokens of prompts were not read again.`
      : '';
  }

  #rate(s) {
    const b = this.#before;
    this.#before = s;
    const made = b ? s.generated_tokens - b.generated_tokens : 0;
    if (made <= 0) {
      return s.running ? '0' : '–';
    }
    const rate = made / (s.time_ms - b.time_ms) * 1000;
    return rate < 10 ? rate.toFixed(1) : count(Math.round(rate));
  }
}

function percent(share) {
  const p = 100 * share;
  return `${p > 0 && p < 10 ? p.toPrecision(2) : Number.isInteger(p * 2) ? p : Math.round(p)}%`;
}

/** Whose tokens the memory is for. */
function held(s, own, vanilla) {
  if (!own && !s.tokens_held) {
    return 'Nothing is held.';
  }
  const whose = `Room for ${count(s.tokens_held)} tokens, of running requests and of beginnings kept for later ones`;
  if (own === vanilla || !vanilla) {
    return `${whose}.`;
  }
  return own < vanilla
    ? `${whose}: ${percent(own / vanilla)} of what they would take with all heads full.`
    : `${whose}. States have one size whatever the length: they pay with longer texts.`;
}
