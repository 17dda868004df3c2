/* page.js - makes the loading page follow what happens, and go on at the end
 *
 * Looks at the status, which starts nothing. Whoever must be woken is woken by
 * loading this address again: path, query and fragment stay as they are.
 */
(() => {
	const page = document.getElementById("page");
	const shown = {};
	let troubles = 0;

	/* Pages that lead back here are loaded ever more slowly. */
	const again = () => {
		let count = 0;

		try {
			const [n, at] = (sessionStorage.wakegate || "").split(" ");

			if (Date.now() - at < 60000)
				count = +n;
			sessionStorage.wakegate = count + 1 + " " + Date.now();
		} catch {
			count = 2;
		}
		setTimeout(() => location.reload(),
			   count && Math.min(250 * 2 ** count, 30000));
	};

	const times = (part) => {
		for (const time of part.querySelectorAll("time"))
			time.textContent = new Date(time.dateTime)
				.toLocaleTimeString();
	};

	/* What has not changed stays: else it would be read out again. */
	const show = (answer) => {
		const { parts, title, bad } = answer.page;

		document.title = title;
		page.className = bad ? "bad" : "";
		for (const id in parts) {
			if (shown[id] === parts[id])
				continue;
			shown[id] = parts[id];
			document.getElementById(id).innerHTML = parts[id];
			times(document.getElementById(id));
		}
	};

	const look = async () => {
		let next = 1000;

		try {
			const reply = await fetch(page.dataset.status,
						  { cache: "no-store" });
			const answer = await reply.json();

			if (answer.page.go) {
				again();
				return;
			}
			next = answer.page.next_ms;
			show(answer);
			troubles = 0;
		} catch {
			/* the web server is away, or is not ours any more */
			if (++troubles === 5) {
				again();
				return;
			}
		}
		setTimeout(look, next);
	};

	times(page);
	setTimeout(look, page.dataset.next);
})();
