/* panel.js - the operator's page does in place what it does without: forms are
 * sent, their answers taken over, and what is shown is kept up to date */
"use strict";
(() => {
	const api = document.body.dataset.api;
	const kept = ["actions", "result", "events", "ask"];
	const parser = new DOMParser();
	let busy = false;
	let cpu = null;

	/* Only what is within <main>: the rest is the frame, with its own nonce. */
	function parse(text) {
		return parser.parseFromString(text.slice(text.indexOf("<main"),
			text.lastIndexOf("</main>")), "text/html");
	}

	async function ask(address, options) {
		const answer = await fetch(address, { ...options,
			headers: { Accept: "text/html" }, credentials: "same-origin" });
		const text = await answer.text();
		if (!text.includes("<main") || !text.includes('id="s'))
			throw new Error(answer.status + " " + answer.statusText);
		return parse(text);
	}

	function say(sentence, bad) {
		const said = document.getElementById("said");
		const p = document.createElement("p");
		p.textContent = sentence;
		said.className = bad ? "bad" : "";
		said.replaceChildren(p);
	}

	function put(fresh) {
		const old = document.getElementById(fresh.id);
		if (old && old.innerHTML === fresh.innerHTML)
			return;
		const node = document.adoptNode(fresh);
		if (!old)
			document.getElementById("state").before(node);
		else if (!old.contains(document.activeElement))
			old.replaceWith(node);
	}

	/* all: also what only an answer changes */
	function take(page, all) {
		for (const fresh of page.querySelectorAll("section"))
			if (all || !kept.includes(fresh.id))
				put(fresh);
		share();
	}

	/* Of the time since it was looked at last, not since the start. */
	function share() {
		const used = document.getElementById("cpu");
		const shown = document.getElementById("cpu-share");
		const now = { at: Date.now(), used: used ? +used.value : 0 };
		if (used && shown && cpu && now.used >= cpu.used && now.at > cpu.at)
			shown.textContent = (100 * (now.used - cpu.used) /
				(now.at - cpu.at)).toFixed(1) + " % now";
		if (used && (!cpu || now.at > cpu.at))
			cpu = now;
	}

	function cell(row, text) {
		row.insertCell().textContent = text;
	}

	function told(detail) {
		const text = Object.entries(detail || {}).map(([name, value]) =>
			name + ": " + (typeof value === "string" ? value
				: JSON.stringify(value))).join(", ");
		return text.length > 200 ? text.slice(0, 200) + "..." : text;
	}

	/* true: something has happened */
	async function events() {
		const table = document.querySelector("#events table");
		const answer = await fetch(api + "/events?after=" +
			table.dataset.last, { credentials: "same-origin" });
		const { events, last } = await answer.json();
		for (const event of events) {
			const row = table.tBodies[0].insertRow(0);
			cell(row, event.at.slice(0, 10) + " " + event.at.slice(11, 19));
			cell(row, event.kind);
			cell(row, event.generation);
			cell(row, told(event.detail));
		}
		while (table.tBodies[0].rows.length > 100)
			table.tBodies[0].deleteRow(-1);
		table.dataset.last = last;
		return events.length > 0;
	}

	async function refresh() {
		take(await ask("./"), false);
	}

	/* A field may have any name, and hides what a form has of that name. */
	function about(form, name) {
		return form.getAttribute(name);
	}

	async function send(form) {
		const page = await ask(about(form, "action"), { method: "POST",
			body: new URLSearchParams(new FormData(form)) });
		const said = page.getElementById("said");
		const old = document.getElementById("said");
		old.className = said.className;
		old.replaceChildren(...said.childNodes);
		document.activeElement.blur();
		take(page, true);
		document.getElementById("result")?.scrollIntoView({ block: "nearest" });
	}

	async function question(form) {
		const page = await ask(about(form, "action") + "?" +
			new URLSearchParams(new FormData(form)));
		const dialog = document.createElement("dialog");
		const asked = document.adoptNode(page.getElementById("ask"));
		asked.querySelector(".cancel").addEventListener("click", (event) => {
			event.preventDefault();
			dialog.close();
		});
		dialog.setAttribute("aria-labelledby", "ask-title");
		dialog.addEventListener("close", () => dialog.remove());
		dialog.append(asked);
		document.querySelector("main").append(dialog);
		dialog.showModal();
	}

	document.addEventListener("submit", async (event) => {
		const form = event.target;
		event.preventDefault();
		if (busy)
			return;
		busy = true;
		document.body.setAttribute("aria-busy", "true");
		try {
			if (about(form, "data-ask") !== null) {
				await question(form);
			} else {
				const sent = send(form);
				Element.prototype.closest.call(form, "dialog")?.close();
				say("...", false);
				await sent;
				await events();
			}
		} catch (error) {
			say("It could not be asked: " + error.message, true);
		}
		document.body.removeAttribute("aria-busy");
		busy = false;
	});

	let rounds = 0;
	async function watch() {
		try {
			rounds++;
			if (!document.hidden && !busy &&
			    (await events() || rounds % 3 === 0) && !busy)
				await refresh();
		} catch {
			/* the web server is away, or we are logged out: the next round */
		}
		setTimeout(watch, 1500);
	}
	share();
	setTimeout(watch, 1500);
})();
