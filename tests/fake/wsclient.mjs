// wsclient.mjs - a WebSocket client over TLS, by HTTP/1.1 (h1) or HTTP/2 (h2,
// RFC 8441), for tests
//
//	node wsclient.mjs h1|h2 HOST:PORT CA-FILE PATH CODE [NAME=VALUE...]
//
// Echoes a text, a compressed one, and 1 MB at once with 20 small frames, pings,
// and closes with CODE; !CODE: has it closed by the gateway; none: waits for the
// end. Of what follows, those are meant for us, and the others are fields of the
// handshake:
//	-count=N	so many at once, each on a connection of its own
//	-idle=MS	before it says anything
//	-mark=FILE	a line more in it, for each that is connected
// Prints "101 echo ping closed=CODE end", or the status of a refusal; "deflate"
// where the extension was agreed upon; with -count how many had which result.
import { appendFileSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectH2 } from 'node:http2'
import { request as requestH1 } from 'node:https'

const [how, address, caFile, path, code, ...more] = process.argv.slice(2)
const ca = readFileSync(caFile)
const given = more.map(one => one.split(/=(.*)/s, 2))
const options = Object.fromEntries(given.filter(([name]) => name[0] === '-'))
const fields = Object.fromEntries(given.filter(([name]) => name[0] !== '-'))
const idleMs = Number(options['-idle'] ?? 0)
const TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, COMPRESSED = 0x40

setTimeout(() => fail('timeout'), 30000 + idleMs).unref()

function fail(why) {
	console.log(`failed: ${why}`)
	process.exit(1)
}

function frame(opcode, payload) {
	const len = payload.length
	const head = len < 126 ? Buffer.from([0x80 | opcode, 0x80 | len])
		: len < 65536 ? Buffer.alloc(4) : Buffer.alloc(10)
	const masked = Buffer.alloc(len)

	if (len >= 126) {
		head[0] = 0x80 | opcode
		head[1] = 0x80 | (len < 65536 ? 126 : 127)
		if (len < 65536) head.writeUInt16BE(len, 2)
		else head.writeBigUInt64BE(BigInt(len), 2)
	}
	const mask = [7, 5, 3, 1]
	for (let i = 0; i < len; i++) masked[i] = payload[i] ^ mask[i & 3]
	return Buffer.concat([head, Buffer.from(mask), masked])
}

// Frames of the stream, one after the other.
async function* frames(stream, first) {
	let all = first

	for await (const chunk of stream) {
		all = Buffer.concat([all, chunk])
		for (;;) {
			if (all.length < 2) break
			const short = all[1] & 0x7f
			const head = short < 126 ? 2 : short === 126 ? 4 : 10
			if (all.length < head) break
			const len = short < 126 ? short
				: short === 126 ? all.readUInt16BE(2)
				: Number(all.readBigUInt64BE(2))
			if (all.length < head + len) break
			yield { opcode: all[0] & 0x7f,
				data: all.subarray(head, head + len) }
			all = all.subarray(head + len)
		}
	}
}

function closing(code) {
	const payload = Buffer.alloc(2)

	payload.writeUInt16BE(code, 0)
	return frame(CLOSE, payload)
}

async function talk(stream, status, head, first = Buffer.alloc(0)) {
	const big = Buffer.alloc(1048576, 'big')
	const sent = [[TEXT, Buffer.from('hello')], [BINARY, big],
		[TEXT | COMPRESSED, Buffer.from([0xf2, 0x48, 0x05])]]
	const words = [`${status}`]

	if (head['sec-websocket-extensions']) words.push('deflate')
	if (options['-mark']) appendFileSync(options['-mark'], 'here\n')
	await sleep(idleMs)
	for (let i = 0; i < 20; i++) sent.push([TEXT, Buffer.from(`n ${i}`)])
	sent.push([PING, Buffer.from('there?')])
	if (code === 'none') sent.length = 0
	for (const [opcode, data] of sent) stream.write(frame(opcode, data))
	for await (const got of frames(stream, first)) {
		if (got.opcode === CLOSE) {
			words.push(`closed=${got.data.readUInt16BE(0)}`)
			if (code[0] === '!') stream.write(frame(CLOSE, got.data))
			continue
		}
		if (sent.length === 0) fail('more than was asked for')
		const [opcode, data] = sent.shift()
		if (!got.data.equals(data)) fail(`${data.length} bytes differ`)
		if (got.opcode !== (opcode === PING ? PONG : opcode))
			fail(`${got.opcode} for ${opcode}`)
		if (sent.length > 0) continue
		words.push('echo', 'ping')
		stream.write(code[0] === '!'
			? frame(TEXT, Buffer.from(`!close ${code.slice(1)}`))
			: closing(Number(code)))
	}
	return [...words, 'end'].join(' ')
}

const handshake = {
	'sec-websocket-version': '13',
	...fields,
}

function overH1(done) {
	const [host, port] = address.split(':')

	requestH1({ host, port, path, ca, agent: false, headers: {
		connection: 'Upgrade', upgrade: 'websocket',
		'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', ...handshake } })
		.on('upgrade', (response, socket, first) => done(talk(socket,
			response.statusCode, response.headers, first)))
		.on('response', response => done(`${response.statusCode}`))
		.on('error', error => fail(error.message))
		.end()
}

function overH2(done) {
	const session = connectH2(`https://${address}`, { ca })

	session.on('error', error => fail(error.message))
	session.on('remoteSettings', settings => {
		if (!settings.enableConnectProtocol) fail('no extended CONNECT')
		const stream = session.request({ ':method': 'CONNECT',
			':protocol': 'websocket', ':scheme': 'https', ':path': path,
			':authority': address, ...handshake })
		stream.on('response', head => done(head[':status'] === 200
			? talk(stream, 200, head) : `${head[':status']}`))
		stream.on('error', error => fail(error.message))
	})
}

const count = Number(options['-count'] ?? 1)
const results = await Promise.all(Array.from({ length: count },
	() => new Promise(how === 'h1' ? overH1 : overH2)))
const times = new Map()
for (const one of results) times.set(one, (times.get(one) ?? 0) + 1)
for (const [one, number] of times)
	console.log(options['-count'] ? `${number} ${one}` : one)
process.exit(0)
