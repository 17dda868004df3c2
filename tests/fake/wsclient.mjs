// wsclient.mjs - a WebSocket client over TLS, by HTTP/1.1 (h1) or HTTP/2 (h2,
// RFC 8441), for tests
//
//	node wsclient.mjs h1|h2 HOST:PORT CA-FILE PATH CODE [NAME=VALUE...]
//
// Echoes a text, and 1 MB at once with 20 small frames, pings, and closes with
// CODE. More fields of the handshake follow. Prints "101 echo ping closed=CODE
// end", or the status of a refusal.
import { readFileSync } from 'node:fs'
import { connect as connectH2 } from 'node:http2'
import { request as requestH1 } from 'node:https'

const [how, address, caFile, path, code, ...more] = process.argv.slice(2)
const ca = readFileSync(caFile)
const fields = Object.fromEntries(more.map(one => one.split(/=(.*)/s, 2)))
const TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10

setTimeout(() => fail('timeout'), 30000).unref()

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
			yield { opcode: all[0] & 15,
				data: all.subarray(head, head + len) }
			all = all.subarray(head + len)
		}
	}
}

async function talk(stream, status, first = Buffer.alloc(0)) {
	const big = Buffer.alloc(1048576, 'big')
	const sent = [[TEXT, Buffer.from('hello')], [BINARY, big]]
	const words = [`${status}`]

	for (let i = 0; i < 20; i++) sent.push([TEXT, Buffer.from(`n ${i}`)])
	sent.push([PING, Buffer.from('there?')])
	for (const [opcode, data] of sent) stream.write(frame(opcode, data))
	for await (const got of frames(stream, first)) {
		if (got.opcode === CLOSE) {
			words.push(`closed=${got.data.readUInt16BE(0)}`)
			continue
		}
		const [opcode, data] = sent.shift()
		if (!got.data.equals(data)) fail(`${data.length} bytes differ`)
		if (opcode === PING && got.opcode !== PONG) fail('no pong')
		if (sent.length > 0) continue
		words.push('echo', 'ping')
		const last = Buffer.alloc(2)
		last.writeUInt16BE(Number(code), 0)
		stream.write(frame(CLOSE, last))
	}
	console.log([...words, 'end'].join(' '))
	process.exit(0)
}

function refused(status) {
	console.log(`${status}`)
	process.exit(0)
}

const handshake = {
	'sec-websocket-version': '13',
	...fields,
}

if (how === 'h1') {
	const [host, port] = address.split(':')
	requestH1({ host, port, path, ca, headers: {
		connection: 'Upgrade', upgrade: 'websocket',
		'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', ...handshake } })
		.on('upgrade', (response, socket, head) =>
			talk(socket, response.statusCode, head))
		.on('response', response => refused(response.statusCode))
		.on('error', error => fail(error.message))
		.end()
} else {
	const session = connectH2(`https://${address}`, { ca })
	session.on('error', error => fail(error.message))
	session.on('remoteSettings', settings => {
		if (!settings.enableConnectProtocol) fail('no extended CONNECT')
		const stream = session.request({ ':method': 'CONNECT',
			':protocol': 'websocket', ':scheme': 'https', ':path': path,
			':authority': address, ...handshake })
		stream.on('response', headers =>
			headers[':status'] === 200 ? talk(stream, 200)
				: refused(headers[':status']))
		stream.on('error', error => fail(error.message))
	})
}
