// The conversation: what was said, and the reply that is coming.

import { ask, events, Refused } from './api.js';

const $ = (id) => document.getElementById(id);

function element(name, className, text) {
  const e = document.createElement(name);
  e.className = className;
  e.textContent = text ?? '';
  return e;
}

/** A turn in the log. A reply that begins with its thoughts has them folded away. */
class Turn {
  constructor(role) {
    this.text = '';
    this.root = element('article', `turn ${role}`);
    this.thoughts = element('details', '');
    this.thoughts.hidden = true;
    this.thoughts.append(element('summary', '', 'Thoughts'), element('span', ''));
    this.said = element('div', 'said');
    this.meta = element('p', 'meta');
    this.root.append(
      element('p', 'who', role === 'user' ? 'You' : 'Model'), this.thoughts, this.said, this.meta);
  }

  add(text) {
    this.text += text;
    let said = this.text;
    const end = said.indexOf('</think>');
    if (said.startsWith('<think>') || end >= 0) { // some templates open the thoughts themselves
      this.thoughts.hidden = false;
      this.thoughts.lastChild.textContent = said.slice(0, end < 0 ? undefined : end).replace(/^<think>/, '').trim();
      said = end < 0 ? '' : said.slice(end + 8).trimStart();
    }
    this.said.textContent = said;
  }
}

export class Chat {
  #facts;
  #said = [];
  #abort = null;
  #log = $('log');
  #text = $('text');
  #empty = $('empty');

  constructor() {
    $('composer').addEventListener('submit', (e) => {
      e.preventDefault();
      this.#send();
    });
    // What is wrong may be folded away, where no browser shows it.
    $('composer').addEventListener('invalid', () => { $('settings').open = true; }, true);
    this.#text.addEventListener('keydown', (e) => {
      if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) {
        e.preventDefault();
        $('composer').requestSubmit();
      }
    });
    document.addEventListener('keydown', (e) => {
      if (e.key === 'Escape' && !$('key').open) {
        this.stop();
      }
    });
    $('stop').addEventListener('click', () => this.stop());
    $('new').addEventListener('click', () => this.#restart());
  }

  /** What model it is with. */
  model(facts) {
    this.#facts = facts;
    if (!facts.chat) {
      $('system-label').hidden = true;
      $('empty').textContent = 'This checkpoint has no chat template: what you write is continued as it stands.';
    }
  }

  stop() {
    this.#abort?.abort();
  }

  #restart() {
    this.stop();
    this.#said = [];
    this.#log.replaceChildren(this.#empty);
    this.#text.focus();
  }

  #notice(message) {
    const e = element('p', 'notice', message);
    e.setAttribute('role', 'alert');
    this.#log.append(e);
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  #request(text) {
    const body = { model: this.#facts.id, stream: true, stream_options: { include_usage: true } };
    const temperature = $('temperature').value;
    const most = $('most').value;
    if (temperature !== '') {
      body.temperature = Number(temperature);
    }
    if (!this.#facts.chat) {
      return { ...body, prompt: text, max_tokens: most === '' ? 256 : Number(most) };
    }
    if (most !== '') {
      body.max_completion_tokens = Number(most);
    }
    const system = $('system').value.trim();
    const before = system ? [{ role: 'system', content: system }] : [];
    return { ...body, messages: [...before, ...this.#said, { role: 'user', content: text }] };
  }

  async #send() {
    const text = this.#text.value.trim();
    if (!text || this.#abort) {
      return;
    }
    if (!this.#facts) {
      this.#notice('The server has not said yet which model it serves.');
      return;
    }
    this.#log.querySelectorAll('.notice, #empty').forEach((e) => e.remove());
    const question = new Turn('user');
    question.add(text);
    const reply = new Turn('assistant');
    reply.root.classList.add('busy');
    reply.root.setAttribute('aria-busy', 'true');
    this.#log.append(question.root, reply.root);
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#text.value = '';
    const said = this.#said;
    this.#busy(new AbortController());
    const abort = this.#abort;
    let failure = null;
    try {
      await this.#stream(text, reply, abort.signal);
    } catch (e) {
      failure = e;
    }
    reply.root.classList.remove('busy');
    reply.root.removeAttribute('aria-busy');
    this.#busy(null);
    if (said !== this.#said) {
      return; // a new chat began meanwhile
    }
    if (failure?.name === 'AbortError') {
      reply.meta.textContent = 'Stopped.';
    } else if (failure) {
      this.#notice(inWords(failure, said.length > 0));
    }
    if (failure && !reply.text) {
      question.root.remove();
      reply.root.remove();
      this.#text.value ||= text;
      return;
    }
    this.#said.push({ role: 'user', content: text }, { role: 'assistant', content: reply.text });
  }

  #busy(abort) {
    this.#abort = abort;
    $('stop').hidden = !abort;
    $('send').hidden = Boolean(abort);
  }

  /** Changes the log, and stays at its end unless one has scrolled away from there. */
  #following(change) {
    const log = this.#log;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    change();
    if (atEnd) {
      log.scrollTop = log.scrollHeight;
    }
  }

  async #stream(text, reply, signal) {
    const start = performance.now();
    const path = this.#facts.chat ? 'v1/chat/completions' : 'v1/completions';
    const response = await ask(path, this.#request(text), signal);
    let first = 0;
    let finish = '';
    for await (const event of events(response)) {
      const choice = event.choices[0];
      const piece = choice?.delta?.content ?? choice?.text ?? '';
      if (piece) {
        first ||= performance.now();
        this.#following(() => reply.add(piece));
      }
      finish = choice?.finish_reason ?? finish;
      if (event.usage) {
        const meta = told(event.usage, finish, first - start, performance.now() - first);
        this.#following(() => { reply.meta.textContent = meta; });
      }
    }
  }
}

function inWords(failure, spokenBefore) {
  if (!(failure instanceof Refused)) {
    return `The page failed: ${failure.message}`;
  }
  const full = failure.code === 'context_length_exceeded' && spokenBefore;
  return failure.message + (full ? ' A new chat begins without what was said so far.' : '');
}

/** What a reply took. */
function told(usage, finish, wait, rest) {
  const n = usage.completion_tokens;
  const parts = [`${n} ${n === 1 ? 'token' : 'tokens'}`];
  if (wait > 0) {
    parts.push(`first after ${(wait / 1000).toFixed(2)} s`);
  }
  if (n > 1 && wait > 0 && rest > 0) {
    parts.push(`then ${((n - 1) / rest * 1000).toFixed(1)} tokens/s`);
  }
  const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
  parts.push(`prompt of ${usage.prompt_tokens}${cached ? `, ${cached} from the prefix cache` : ''}`);
  if (finish === 'length') {
    parts.push('ended by the limit of tokens');
  }
  return parts.join(' · ');
}
