/* openclaw.mjs - OpenClaw's own page, through wakegate; see browser.mjs */
import { URL_BASE, eventually, expect, main } from "./browser.mjs";

const START_MS = 200000;

await main({
	/* Its page logs in over its WebSocket. codes: of the documents on the way
	 * there, e.g. "503,200" through the loading page. */
	async connects(world, codes, token) {
		const page = await world.page();
		const met = [];
		const frames = [];
		const heard = (...words) => frames.some((frame) =>
			words.every((word) => frame.includes(word)));

		page.on("response", (answer) => {
			if (answer.request().isNavigationRequest())
				met.push(answer.status());
		});
		page.on("websocket", (socket) => {
			socket.on("framereceived", ({ payload }) =>
				frames.push(payload.toString()));
		});
		await page.goto(URL_BASE + "/#token=" + token,
				{ waitUntil: "commit" });
		await eventually(() => heard("connect.challenge"),
				 "the gateway speaks first", START_MS);
		await eventually(() => heard('"type":"res"', '"ok":true'),
				 "the gateway lets it in", START_MS);
		expect(met.join() === codes, "documents: " + met);
		world.quiet(page);
	},
});
