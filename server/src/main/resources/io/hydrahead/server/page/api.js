// Requests to the server that this page came from, with its key where it wants one.

const KEY = 'hydrahead-key';
let askForKey = async () => { throw new Refused('This server wants a key.', 401); };
let asking = null;

/** What went wrong, in words for people. */
export class Refused extends Error {
  constructor(message, status, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Says who is asked for the key: a function that gets whether one was wrong and returns a promise of one. */
export function whenKeyIsWanted(asker) {
  askForKey = asker;
}

export function hasKey() {
  return sessionStorage.getItem(KEY) !== null;
}

export function forgetKey() {
  sessionStorage.removeItem(KEY);
}

/** Sends a request, a POST where there is a body; the answer's status is 200. */
export async function ask(path, body, signal) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const response = await send(path, body, signal, key);
    if (response.ok) {
      return response;
    }
    const refused = await refusal(response);
    if (refused.status !== 401) {
      throw refused;
    }
    if (sessionStorage.getItem(KEY) === key) { // nobody has given another one meanwhile
      asking ??= askForKey(key !== null).finally(() => { asking = null; });
      sessionStorage.setItem(KEY, await asking);
    }
  }
}

async function send(path, body, signal, key) {
  const headers = {};
  if (key !== null) {
    headers.Authorization = `Bearer ${key}`;
  }
  if (body) {
    headers['Content-Type'] = 'application/json';
  }
  try {
    return await fetch(path, {
      method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body), signal,
      cache: 'no-store', credentials: 'omit',
    });
  } catch (e) {
    throw e.name === 'AbortError' ? e : new Refused('The server does not answer. Is it still running?', 0);
  }
}

async function refusal(response) {
  try {
    return inWords((await response.json()).error, response.status);
  } catch {
    return new Refused(`The server answered with status ${response.status} and no reason.`, response.status);
  }
}

function inWords(error, status) {
  return new Refused(error.message, status, error.code);
}

/** The events of a stream, parsed, up to its end. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch (e) {
      throw e.name === 'AbortError' ? e : new Refused('The connection to the server was lost.', 0);
    }
    if (piece.done) {
      throw new Refused('The reply broke off before its end.', 0);
    }
    rest += piece.value;
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const event = rest.slice(0, end);
      rest = rest.slice(end + 2);
      if (event === 'data: [DONE]') {
        return;
      }
      if (event.startsWith('data: ')) { // others are comments: signs of life
        const value = JSON.parse(event.slice(6));
        if (value.error) {
          throw inWords(value.error, 200);
        }
        yield value;
      }
    }
  }
}
