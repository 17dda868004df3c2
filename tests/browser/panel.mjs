/* panel.mjs - the operator's page: what its buttons do, and how it looks
 *
 * PANEL_TOKEN administers; PANEL_RUN has the gateway's files.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { eventually, expect, main, URL_BASE, wakegate } from "./browser.mjs";

const note = process.env.PANEL_RUN + "/files/note";
const options = { extraHTTPHeaders: {
	Authorization: "Bearer " + process.env.PANEL_TOKEN } };

async function row() {
	return JSON.parse(await wakegate("status", "fake", "--json"));
}

async function ready(generation) {
	return eventually(async () => {
		const { state, generation: now } = await row();

		return state === "ready" && now === generation;
	}, "generation " + generation + " is ready");
}

async function says(page, selector, text) {
	await eventually(async () => (await page.textContent(selector))
		.includes(text), selector + " says " + text);
}

/* While one form is being sent, the page sends no other. */
async function press(page, name, within = "main") {
	await page.locator("body:not([aria-busy])").waitFor();
	await page.locator(within).getByRole("button", { name, exact: true })
		.first().click();
}

/* The same for both: `sure` answers the question, `check` looks for faults. */
async function steer(world, page, name, { sure, check }) {
	await says(page, "#state", "Ready");
	await check();
	await world.shoot(page, name);

	await press(page, "Restart");
	await says(page, "#ask", "broken off");
	await check();
	await sure("Restart");
	await ready(2);
	await says(page, "#said", "It is to be restarted.");

	await press(page, "Back up now");
	await says(page, "#said", "A snapshot was taken.");
	await says(page, "#snapshots", "verified");

	writeFileSync(note, "second\n");
	await press(page, "Restore this one");
	await says(page, "#ask", "All that was changed there since then is lost.");
	await world.shoot(page, name + "-ask");
	await sure("Restore this one");
	await ready(3);
	expect(readFileSync(note, "utf8") === "first\n", "the file came back");

	await press(page, "devices", "#actions");
	await says(page, "#result", "a laptop");
	await check();
	await world.shoot(page, name + "-devices");
	await press(page, "approve", "#result");
	await says(page, "#result", "deviceId");
	await press(page, "approve all 2", "#result");
	await says(page, "#result", "Nothing.");
	await check();
}

await main({
	async steer(world) {
		const page = await world.open("/_admin/", options);

		await steer(world, page, "panel", {
			async sure(name) {
				await press(page, name, "dialog");
				await page.locator("dialog")
					.waitFor({ state: "detached" });
			},
			check: () => world.sound(page),
		});
		expect(page.url().endsWith("/_admin/"), "in place");
		await says(page, "#events", "backup_done");
		await says(page, "#events", "action: approve");
		await press(page, "Stop");
		await page.locator("dialog .cancel").click();
		await press(page, "Restart");
		await press(page, "Restart", "dialog");
		await ready(4);
		world.quiet(page);
	},

	async plain(world) {
		const page = await world.open("/_admin/",
			{ ...options, javaScriptEnabled: false });

		await steer(world, page, "panel-plain", {
			sure: (name) => press(page, name, "#ask"),
			check: () => world.quiet(page), /* axe-core is script */
		});
		await page.goto(new URL("./", page.url()).href);
		await press(page, "Restart");
		await press(page, "Restart", "#ask");
		await says(page, "#said", "It is to be restarted.");
		await ready(4);
		world.quiet(page);
	},

	/* Its credentials go with the form, as a browser's login does. */
	async foreign(world) {
		const server = createServer((request, answer) => {
			answer.setHeader("Content-Type", "text/html");
			answer.end(`<form method="post" action="${URL_BASE}/_admin/` +
				'restart"><button>Win</button></form>');
		});
		await new Promise((done) => server.unref()
			.listen(0, "127.0.0.1", done));
		const { port } = server.address();

		for (const host of ["127.0.0.1", "localhost"]) {
			const page = await world.page(options);

			await page.goto(`http://${host}:${port}/`);
			const [answer] = await Promise.all([
				page.waitForResponse(URL_BASE + "/_admin/restart"),
				page.getByRole("button").click()]);
			expect(answer.status() === 403, "403: " + answer.status());
			const sent = await answer.request().allHeaders();
			expect(sent.authorization === options.extraHTTPHeaders
				.Authorization, "with its credentials");
			expect(sent.origin === `http://${host}:${port}`,
			       "from elsewhere: " + sent.origin);
			await page.close();
		}
		const { state, generation } = await row();
		expect(state === "ready" && generation === 1, "it runs on");
	},

	async live(world) {
		const page = await world.open("/_admin/", options);

		await says(page, "#state", "Stopped");
		await wakegate("start");
		await says(page, "#state", "Ready");
		await says(page, "#events", "spawned");
		await says(page, "#output", "it <i>says</i> hello");
		await says(page, "#processes", "Memory");
		await says(page, "#processes", "% now");
		await wakegate("stop", "--hold");
		await says(page, "#state", "held");
		await press(page, "Start");
		await says(page, "#state", "Ready");
		await world.sound(page);
	},
});
