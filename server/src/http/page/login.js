// Asks for the token, and has it exchanged for a cookie that no script can read.

import { t, translate } from './words.js';

translate(document);
const form = document.getElementById('login');
const field = document.getElementById('token');
const wrong = document.getElementById('wrong');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  wrong.textContent = '';
  // A header holds nothing but ASCII, and no token of ours holds anything else.
  const token = field.value.trim().replace(/[^\x20-\x7e]/g, '?');
  try {
    const answer = await fetch('/login', { method: 'POST', headers: { authorization: `Bearer ${token}` } });
    if (answer.ok) {
      // Back to where the browser wanted to go: a path of ours, never another site.
      const place = location.hash.slice(1);
      location.replace(/^\/(?![/\\])/.test(place) ? place : '/');
    } else {
      wrong.textContent = answer.status === 401 ? t('wrongToken') : `${answer.status}`;
      field.select();
    }
  } catch {
    wrong.textContent = t('silent');
  }
});
