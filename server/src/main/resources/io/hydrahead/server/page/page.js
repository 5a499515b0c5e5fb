// Puts the page together.

import { ask, forgetKey, hasKey, Refused, whenKeyIsWanted } from './api.js';
import { Chat } from './chat.js';
import { Panel } from './panel.js';

const BUSY_MS = 500;
const IDLE_MS = 2000;
const $ = (id) => document.getElementById(id);
const chat = new Chat();
const panel = new Panel();
let known = false;
let timer;

function key(wrong) {
  const dialog = $('key');
  const text = $('key-text');
  $('key-wrong').textContent = wrong ? 'The server does not know this key.' : '';
  text.value = '';
  dialog.showModal();
  text.focus();
  return new Promise((resolve, reject) => {
    $('key-form').onsubmit = (e) => {
      e.preventDefault();
      const given = text.value.trim();
      if (!/^[\x20-\x7e]+$/.test(given)) {
        $('key-wrong').textContent =
          given ? 'A key has no characters beyond ASCII.' : 'Give the key.';
        return;
      }
      dialog.onclose = null;
      dialog.close();
      text.value = '';
      resolve(given);
    };
    $('key-cancel').onclick = () => dialog.close();
    dialog.onclose = () => {
      $('key-button').hidden = false;
      reject(new Refused('This server wants a key.', 401));
    };
  });
}

/** Asks how things stand, again and again while the page is seen. */
async function look() {
  clearTimeout(timer);
  let pause = IDLE_MS;
  try {
    if (!known) {
      const facts = await (await ask('v1/hydrahead/model')).json();
      panel.model(facts);
      chat.model(facts);
      known = true;
      $('key-button').hidden = !hasKey();
    }
    const state = await (await ask('v1/hydrahead/state')).json();
    panel.state(state);
    $('trouble').textContent = '';
    pause = state.running + state.waiting > 0 ? BUSY_MS : IDLE_MS;
  } catch (e) {
    $('trouble').textContent = e.message;
    if (e.status === 401) {
      return; // until a key is given
    }
  }
  if (!document.hidden) {
    timer = setTimeout(look, pause);
  }
}

whenKeyIsWanted(key);
$('key-button').addEventListener('click', () => {
  forgetKey();
  look();
});
$('composer').addEventListener('submit', () => setTimeout(look, 100));
document.addEventListener('visibilitychange', () => document.hidden || look());
look();
