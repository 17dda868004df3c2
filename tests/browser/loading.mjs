/* loading.mjs - the loading page, as a browser shows it; see browser.mjs */
import { URL_BASE, eventually, expect, main, plain, sleep, wakegate }
	from "./browser.mjs";

const PLACE = "/echo?a=1&b=%2F%20x#part";
const COLD_MS = 200;

/* How many documents the page has asked for, and how they were answered. */
function documents(page) {
	const codes = [];

	page.on("response", (answer) => {
		if (answer.request().isNavigationRequest())
			codes.push(answer.status());
	});
	return codes;
}

async function go(page, place = PLACE) {
	await page.goto(URL_BASE + place, { waitUntil: "domcontentloaded" });
}

function text(page, selector = "main") {
	return page.locator(selector).innerText();
}

/* The gateway's own page: /echo says what it was asked. */
async function arrived(page, codes) {
	await eventually(() => codes.includes(200), "the page asked for");
	/* while it changes, it can't be read */
	await eventually(async () => (await page.content().catch(() => ""))
		.includes("/echo?a=1&amp;b=%2F%20x"),
			 "path and query reached the gateway");
	expect(plain(page.url()) === URL_BASE + plain(PLACE),
	       "same address: " + page.url());
}

/* Milliseconds until it was there, and could be read. */
function took(page) {
	return page.evaluate(() => {
		const [entry] = performance.getEntriesByType("navigation");

		return [entry.responseStart, entry.domInteractive];
	});
}

async function bar(page) {
	return page.locator("progress").evaluate((one) => one.position);
}

async function unknown(page) {
	expect(await bar(page) === -1, "nobody knows how far it is");
	expect(/\d s so far/.test(await text(page)), "how long it has been");
}

async function estimated(page) {
	const position = await bar(page);

	expect(position >= 0, "how far it is: " + position);
	await eventually(async () => await bar(page) > position + 0.1,
			 "it moves on");
	expect(/so far, .*usual.* \d/.test(await text(page)), "what is usual");
}

/* Half of nine cold ones, since this machine does other things as well. */
async function quick(world, times) {
	const page = await world.open("/api/status");

	while (times.length < 9) {
		await wakegate("stop");
		await page.goto("about:blank");
		await go(page);
		times.push(await took(page));
	}
	const read = times.map(([, ms]) => ms).sort((a, b) => a - b);
	expect(read[4] < COLD_MS, "within " + COLD_MS + " ms: " + read);
}

await main({
	/* Twice from cold: first nobody knows how long a start takes. The browser
	 * itself is warm: it has seen this site. */
	async arrives(world) {
		const times = [];

		for (const known of [false, true]) {
			const page = await world.open("/api/status");
			const codes = documents(page);

			await go(page);
			expect(codes.join() === "503", "503 at once: " + codes);
			times.push(await took(page));
			await (known ? estimated : unknown)(page);
			await arrived(page, codes);
			expect(codes.join() === "503,200", "once: " + codes);
			expect(page.url().endsWith("#part"), "the fragment too");
			world.quiet(page);
			if (!known)
				await wakegate("stop");
		}
		await quick(world, times);
	},

	/* A long start, for pictures. */
	async looks(world) {
		const page = await world.page();

		await go(page);
		await eventually(async () => /9 of 9/.test(await text(page)),
				 "newest lines come as they are written");
		expect(!/line 1 /.test(await text(page)), "older ones go");
		await world.sound(page);
		await world.shoot(page, "loading");
	},

	async without_script(world) {
		const page = await world.page({ javaScriptEnabled: false });
		const codes = documents(page);

		await go(page);
		expect(codes[0] === 503, "the loading page");
		expect(await page.locator("progress").count() === 1, "a bar");
		await arrived(page, codes);
		world.quiet(page);
	},

	/* The gateway is killed as the page hears that it is ready. */
	async dies(world) {
		const page = await world.page();
		const codes = documents(page);
		let killed = 0;

		await page.route("**/api/status*", async (route) => {
			const answer = await route.fetch();

			if ((await answer.json()).ok && !killed) {
				const shown = JSON.parse(
					await wakegate("status", "--json"));

				killed = shown.pid ?? shown[0].pid;
				process.kill(killed, "SIGKILL");
			}
			await route.fulfill({ response: answer });
		});
		await go(page);
		await arrived(page, codes);
		expect(killed, "it was killed in between");
		/* one for who finds it dead, one for who starts it again */
		expect(codes.length <= 4, "no loop: " + codes);
		world.quiet(page);
	},

	/* Each request kills it: then there is an end, and no loop. */
	async crashes(world) {
		const page = await world.page();
		const codes = documents(page);

		await go(page);
		await eventually(async () => /crashed/.test(
			await text(page, "h1").catch(() => "")), "says so");
		await sleep(1500);
		expect(codes.join() === "503,503", "two documents: " + codes);
		await world.sound(page);
		await world.shoot(page, "problem");
	},

	/* Left alone, the page follows from one pause to the next, to the end. */
	async gives_up(world) {
		const page = await world.page();
		const codes = documents(page);

		await go(page);
		/* a pause may end between two questions */
		const pause = await eventually(async () => {
			const found = await page.evaluate(() => ({
				title: document.querySelector("h1").innerText,
				text: document.querySelector("main").innerText,
				bars: document.querySelectorAll("progress").length,
			})).catch(() => ({}));

			return /Waiting/.test(found.title) && found;
		}, "a pause");
		expect(/next try is at .*, in \d+ s/.test(pause.text),
		       "until when: " + pause.text);
		expect(pause.bars === 0, "nothing moves in a pause");
		await eventually(async () =>
			/Out of order/.test(await text(page, "h1")),
				 "the end of it", 30000);
		expect(/several times/.test(await text(page)), "says why");
		expect(codes.length < 12, "no loop: " + codes);
		world.quiet(page);
	},

	async fails(world, name) {
		const page = await world.page();
		const codes = documents(page);
		const found = () => text(page);

		await go(page);
		await eventually(async () => /Out of order/.test(await found()),
				 "says that it failed");
		expect(/exit code that means/.test(await found()), "says why");
		expect(/exit_code, ended with exit code 78/.test(await found()),
		       "with which code");
		expect(/Its last words: no such model: <b>x<\/b>/
			.test(await found()), "its last line: " + await found());
		expect(/token=\[redacted\]/.test(await found()), "no secret");
		expect(/wakegate reset/.test(await found()), "what to do");
		expect(await page.locator("progress").count() === 0,
		       "nothing moves");
		await world.sound(page);
		await world.shoot(page, "failed-" + name);
		const before = codes.length;
		await sleep(1500);
		expect(codes.length === before, "stays");
	},

	async tells_no_stranger(world) {
		const page = await world.page();
		const found = () => text(page);

		await go(page);
		await eventually(async () => /Out of order/.test(await found()),
				 "says that it failed");
		expect(!/model/.test(await page.content()), "no output");
		expect(!/exit code 78/.test(await found()), "no detail");
		expect(/tell the operator/.test(await found()), "what to do");
		world.quiet(page);
	},

	async held(world) {
		const page = await world.page();
		const codes = documents(page);

		await go(page);
		expect(/Switched off/.test(await text(page)), "says so");
		await world.sound(page);
		await wakegate("start");
		await arrived(page, codes);
		expect(codes.join() === "503,200", "one load more: " + codes);
		world.quiet(page);
	},
});
