// The verdict in words, as the server says it: a card for each finding; the page adds nothing to it.

import { make, seconds } from "./format.js";

const SAY = { empty: "Nothing is watched yet.", healthy: "Nothing is held up.", unknown: "It cannot be told what holds this up.", waiting: "Looking …" };
// So many findings have a card; more are told by name. The rest of what one says stands behind a word.
const MOST = 3;
const MOST_NAMES = 8;
const MOST_ADVICE = 3;

const key = (finding) => `${finding.kind}\u0000${finding.name}`;

export function culprits(verdict) {
  return new Map((verdict?.findings ?? []).filter((one) => one.cause !== "unknown").map((one) => [key(one), one]));
}

// Sets text only where it is another one: what is read aloud or selected stays.
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function lines(list, texts) {
  while (list.children.length > texts.length) list.lastChild.remove();
  texts.forEach((text, index) => say(list.children[index] ?? list.appendChild(make("li")), text));
}

class Card {
  constructor(open) {
    this.cause = make("span", { class: "cause" });
    this.since = make("span", { class: "since" });
    this.says = make("h2", { class: "say" });
    this.held = make("p", { class: "held-up" });
    this.advice = make("ul", { class: "advice" });
    this.evidence = make("ul");
    this.why = make("details", {}, make("summary", {}, "Evidence"), this.evidence);
    this.show = make("button", { type: "button", class: "show" }, "Show it");
    this.show.addEventListener("click", () => open(this.id));
    this.element = make("article", { class: "card" }, make("p", { class: "head" }, this.cause, this.since), this.says, this.held, this.advice, make("div", { class: "foot" }, this.why, this.show));
  }

  fill(finding) {
    this.id = key(finding);
    say(this.cause, finding.cause === "unknown" ? "culprit not known" : `culprit: ${finding.cause}`);
    say(this.since, finding.since_seconds === null || finding.since_seconds === undefined ? "" : `for ${seconds(finding.since_seconds)}`);
    say(this.says, finding.says ?? `${finding.cause}: ${finding.name}`);
    this.held.hidden = !finding.held_up?.length;
    say(this.held, `Holds up ${(finding.held_up ?? []).join(", ")}`);
    const [advice, evidence] = [finding.advice ?? [], finding.evidence ?? []];
    lines(this.advice, advice.slice(0, MOST_ADVICE));
    lines(this.evidence, [...evidence, ...advice.slice(MOST_ADVICE)]);
    this.why.hidden = !this.evidence.children.length;
  }
}

export class Verdict {
  constructor(element, voice, open) {
    this.element = element;
    this.voice = voice;
    this.open = open;
    this.cards = new Map();
    this.calm = make("p", { class: "say" });
    this.about = make("p", { class: "about" });
    this.rest = make("p", { class: "rest" });
  }

  show(verdict, about, empty) {
    const state = empty && !verdict?.findings.length ? "empty" : verdict?.state ?? "waiting";
    const findings = verdict?.findings ?? [];
    this.element.dataset.state = state;
    say(this.calm, SAY[state] ?? SAY.unknown);
    say(this.about, [...(verdict?.notes ?? []), about].filter(Boolean).join(" · "));
    say(this.voice, findings.length ? findings.map((one) => one.says ?? one.name).join(". ") : this.calm.textContent);
    const shown = findings.slice(0, MOST).map((finding) => {
      const id = `${finding.cause}\u0000${key(finding)}`;
      if (!this.cards.has(id)) this.cards.set(id, new Card(this.open));
      this.cards.get(id).fill(finding);
      return id;
    });
    for (const id of this.cards.keys()) if (!shown.includes(id)) this.cards.delete(id);
    const more = findings.slice(MOST);
    if (more.length) this.others(more);
    const wanted = shown.length ? [...shown.map((id) => this.cards.get(id).element), ...(more.length ? [this.rest] : [])] : [this.calm, this.about];
    const there = [...this.element.children];
    if (wanted.length !== there.length || wanted.some((one, index) => one !== there[index])) this.element.replaceChildren(...wanted);
  }

  others(findings) {
    const names = JSON.stringify(findings.map(key));
    if (this.rest.dataset.names === names) return;
    this.rest.dataset.names = names;
    const buttons = findings.slice(0, MOST_NAMES).map((finding) => {
      const button = make("button", { type: "button" }, `${finding.kind} ${finding.name}`);
      button.addEventListener("click", () => this.open(key(finding)));
      return button;
    });
    const beyond = findings.length - buttons.length;
    this.rest.replaceChildren(`${findings.length} more to blame: `, ...buttons, beyond > 0 ? `and ${beyond} more` : "");
  }
}
