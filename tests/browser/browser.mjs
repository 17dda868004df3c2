/* browser.mjs - a headless Chromium for the tests of pages
 *
 *	import { expect, main } from "./browser.mjs";
 *	await main({
 *		async title(world) {
 *			const page = await world.open("/");
 *			expect(await page.title() === "Hello", "says hello");
 *			await world.sound(page);
 *		},
 *	});
 *
 * `node FILE.mjs title` runs that one. browse() of tests/bats/browser.bash sets the
 * environment: URL, the site; BROWSER_MODULES, where npm's packages are; SHOTS, the
 * folder for pictures; WAKEGATE_COMMAND, a command line of wakegate. Pages, contexts
 * and what they can do are Playwright's.
 */
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { promisify } from "node:util";

const modules = createRequire(process.env.BROWSER_MODULES + "/");
const { chromium } = modules("playwright-core");
const axe_source = readFileSync(modules.resolve("axe-core/axe.min.js"), "utf8");

export const URL_BASE = process.env.URL;
export const WIDE = { width: 1000, height: 720 };
export const PHONE = { width: 360, height: 720 };

export function expect(fact, text) {
	if (!fact)
		throw new Error("not so: " + text);
}

export function sleep(ms) {
	return new Promise((done) => setTimeout(done, ms));
}

/* Until fact() gives something; gives that. */
export async function eventually(fact, text, ms = 15000) {
	const end = Date.now() + ms;

	for (;;) {
		const found = await fact();

		if (found)
			return found;
		if (Date.now() > end)
			throw new Error("not within " + ms + " ms: " + text);
		await sleep(30);
	}
}

/* A command of wakegate; gives what it prints. */
export async function wakegate(...words) {
	const command = process.env.WAKEGATE_COMMAND.split(" ");
	const { stdout } = await promisify(execFile)(
		command[0], [...command.slice(1), ...words], { timeout: 60000 });

	return stdout;
}

/* Without its fragment. */
export function plain(address) {
	return address.split("#")[0];
}

/* Everything in a page that nobody wants to see. */
class Faults {
	constructor(page) {
		this.found = [];
		this.statuses = new Map(); /* of documents, by address */
		this.foreign = [];
		page.on("console", (message) => this.hear(message));
		page.on("pageerror", (error) => this.found.push("" + error));
		page.on("request", (request) => this.look(request.url()));
		page.on("response", (response) => {
			if (response.request().isNavigationRequest())
				this.statuses.set(plain(response.url()),
						  response.status());
		});
	}

	look(address) {
		if (!address.startsWith(URL_BASE) &&
		    !/^(data|blob|about):/.test(address) &&
		    !address.startsWith(URL_BASE.replace("http", "ws")))
			this.foreign.push(address);
	}

	/* A document that is answered with 503 on purpose is told by Chromium, and
	 * nobody can keep it from that; nor from asking for an icon. A breach of the
	 * policy is an error too. */
	hear(message) {
		const text = message.text();
		const { url } = message.location();
		const own = text.startsWith("Failed to load resource") &&
			    (this.statuses.get(plain(url)) >= 400 ||
			     url === URL_BASE + "/favicon.ico");

		if ((message.type() === "error" && !own) ||
		    /Content.Security.Policy/i.test(text))
			this.found.push(text + " (" + url + ")");
	}
}

class World {
	constructor(browser) {
		this.browser = browser;
		this.faults = new Map();
	}

	/* options: Playwright's of a context, e.g. javaScriptEnabled,
	 * extraHTTPHeaders, httpCredentials. */
	async page(options = {}) {
		const context = await this.browser.newContext(
			{ viewport: WIDE, ignoreHTTPSErrors: true, ...options });
		const page = await context.newPage();

		page.setDefaultTimeout(15000);
		this.faults.set(page, new Faults(page));
		return page;
	}

	/* Does not wait for more than the document. */
	async open(path, options = {}) {
		const page = await this.page(options);

		page.answer = await page.goto(URL_BASE + path,
					      { waitUntil: "commit" });
		return page;
	}

	/* No error, no breach of its policy, nothing from elsewhere. */
	quiet(page) {
		const { found, foreign } = this.faults.get(page);

		expect(found.length === 0, "no error: " + found.join("\n"));
		expect(foreign.length === 0,
		       "nothing from elsewhere: " + foreign.join("\n"));
	}

	/* axe-core finds nothing that is serious or critical. */
	async accessible(page) {
		await page.evaluate(axe_source);
		const { violations } = await page.evaluate("axe.run()");
		const bad = violations.filter(({ impact }) =>
			["serious", "critical"].includes(impact));

		expect(bad.length === 0, bad.map((one) => one.id + ": " +
			one.help + " " + one.nodes.map((node) => node.html))
			.join("\n"));
	}

	/* Both, light and dark. */
	async sound(page) {
		for (const colorScheme of ["dark", "light"]) {
			await page.emulateMedia({ colorScheme });
			await this.accessible(page);
		}
		this.quiet(page);
	}

	/* NAME-light.png, NAME-dark.png, NAME-phone.png; it fits a phone. */
	async shoot(page, name) {
		const shot = (how) => page.screenshot(
			{ path: process.env.SHOTS + "/" + name + "-" + how +
				".png", fullPage: true });

		mkdirSync(process.env.SHOTS, { recursive: true });
		await page.emulateMedia({ colorScheme: "dark" });
		await shot("dark");
		await page.emulateMedia({ colorScheme: "light" });
		await shot("light");
		await page.setViewportSize(PHONE);
		await shot("phone");
		const width = await page.evaluate(
			"document.documentElement.scrollWidth");
		expect(width <= PHONE.width, "fits a phone: " + width + " px");
		await page.setViewportSize(WIDE);
	}
}

/* Runs the check that the command line names, with the words after its name. */
export async function main(checks) {
	const [name, ...words] = process.argv.slice(2);
	const browser = await chromium.launch({
		executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
		args: ["--no-sandbox", "--disable-gpu",
		       "--disable-dev-shm-usage"],
	});

	try {
		await checks[name](new World(browser), ...words);
	} catch (error) {
		console.error(error.stack);
		process.exitCode = 1;
	} finally {
		await browser.close();
	}
}
