'use strict';
/* s3proxy.js - stands before s3rver, which checks nothing, and is as strict as S3
 *
 *	node s3proxy.js --port N --to PORT --access KEY --secret KEY
 *		--region NAME --faults FILE --log FILE [--tls PREFIX]
 *
 * Verifies signature version 4 (anew from the secret; the request as S3 would
 * write it) and the body's sha256, and encodes the keys of a listing when asked,
 * as S3 does. With --tls it speaks HTTPS with PREFIX.crt and PREFIX.key.
 *
 * Each line of FAULTS spoils one request and is then taken out; with "always" before
 * it stays. METHOD is GET, PUT, DELETE, or LIST.
 *	METHOD status CODE [NAME] [retry-after=S]	an answer of our own
 *	METHOD text CODE TEXT		the same, no XML
 *	METHOD reset			the connection is reset at once
 *	METHOD hang [BYTES]		no answer, or no more after BYTES of it
 *	METHOD break BYTES		the answer is reset after BYTES of it
 *	METHOD cut BYTES		the answer has no length and ends there
 *	METHOD short BYTES		a whole answer, with only BYTES of the content
 *	METHOD flip			a bit of the content is another
 *	METHOD slow BYTES		the answer comes at BYTES a second
 *	METHOD head BYTES		the answer's head is that large
 *	METHOD pass			nothing: for the next line
 *	PUT truncate			half of the body is kept, and 200
 *	PUT lost			it is kept, the answer is a reset
 *	PUT swallow BYTES		no more than these are read, for ever
 *	GET whole			Range is ignored
 *	LIST plain			keys are not encoded
 * One JSON line for each request goes to LOG.
 */
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const https = require('https');

const options = {};
for (let i = 2; i + 1 < process.argv.length; i += 2)
	options[process.argv[i].slice(2)] = process.argv[i + 1];

const sha256 = (data) => crypto.createHash('sha256').update(data).digest('hex');
const hmac = (key, data) =>
	crypto.createHmac('sha256', key).update(data).digest();
const encode = (text) => encodeURIComponent(text).replace(/[!'()*]/g,
	(c) => '%' + c.charCodeAt(0).toString(16).toUpperCase());
const escape = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');

class Refusal extends Error {
	constructor(status, code, message) {
		super(message || code);
		this.status = status;
		this.code = code;
	}
}

/* --- signature version 4 ---------------------------------------------------- */

function canonicalQuery(query) {
	const pairs = query === '' ? [] : query.split('&').map((part) => {
		const [name, ...value] = part.split('=');
		return [name, value.join('=')].map(
			(text) => encode(decodeURIComponent(text)));
	});

	return pairs.map(([name, value]) => `${name}=${value}`).sort().join('&');
}

function stringToSign(request, parts, body) {
	const [path, query = ''] = request.url.split('?');
	const declared = request.headers['x-amz-content-sha256'];
	const signed = parts.SignedHeaders.split(';');
	const date = request.headers['x-amz-date'] || '';
	const canonical = [
		request.method,
		path.split('/').map((s) => encode(decodeURIComponent(s))).join('/'),
		canonicalQuery(query),
		...signed.map((name) => `${name}:` +
			(request.headers[name] || '').trim().replace(/ +/g, ' ')),
		'', parts.SignedHeaders, declared,
	].join('\n');
	const must = ['host', ...Object.keys(request.headers)
		.filter((name) => name.startsWith('x-amz-'))];

	if (!declared)
		throw new Refusal(400, 'MissingSecurityHeader');
	if (must.some((name) => !signed.includes(name)))
		throw new Refusal(403, 'AccessDenied', 'unsigned headers');
	if (declared !== sha256(body))
		throw new Refusal(400, 'XAmzContentSHA256Mismatch');
	return ['AWS4-HMAC-SHA256', date, parts.scope, sha256(canonical)].join('\n');
}

function verify(request, body) {
	const parts = {};
	const field = request.headers.authorization || '';
	const date = request.headers['x-amz-date'] || '';
	const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date);

	if (!field.startsWith('AWS4-HMAC-SHA256 ') || !match)
		throw new Refusal(403, 'AccessDenied');
	for (const part of field.slice(17).split(','))
		parts[part.trim().split('=')[0]] = part.trim().split('=')[1];
	const [access, ...scope] = parts.Credential.split('/');
	parts.scope = scope.join('/');
	if (access !== options.access)
		throw new Refusal(403, 'InvalidAccessKeyId');
	if (parts.scope !==
		`${date.slice(0, 8)}/${options.region}/s3/aws4_request`)
		throw new Refusal(400, 'AuthorizationHeaderMalformed');
	const age = Date.now() - Date.UTC(match[1], match[2] - 1, match[3],
		match[4], match[5], match[6]);
	if (Math.abs(age) > 15 * 60 * 1000)
		throw new Refusal(403, 'RequestTimeTooSkewed');
	let key = 'AWS4' + options.secret;
	for (const word of scope)
		key = hmac(key, word);
	if (hmac(key, stringToSign(request, parts, body)).toString('hex') !==
		parts.Signature)
		throw new Refusal(403, 'SignatureDoesNotMatch');
}

/* --- faults ------------------------------------------------------------------- */

function takeFault(method) {
	let lines = [];

	try {
		lines = fs.readFileSync(options.faults, 'utf8').split('\n')
			.filter((line) => line !== '');
	} catch (error) {
		return null;
	}
	for (const [i, line] of lines.entries()) {
		const words = line.split(' ');
		const stays = words[0] === 'always';

		if (stays)
			words.shift();
		if (words[0] !== method)
			continue;
		if (!stays) {
			lines.splice(i, 1);
			fs.writeFileSync(options.faults,
				lines.map((l) => l + '\n').join(''));
		}
		return { line, kind: words[1], words: words.slice(2) };
	}
	return null;
}

function refuse(response, status, code, fields) {
	response.writeHead(status,
		{ 'content-type': 'application/xml', ...fields });
	response.end('<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>' +
		`${code}</Code><Message>${code} by ${escape(options.access)}` +
		'</Message><RequestId>1</RequestId></Error>');
}

function ownAnswer(response, fault) {
	const [status, ...words] = fault.words;
	const fields = {};

	if (fault.kind === 'text') {
		response.writeHead(+status, { location: '/elsewhere' });
		response.end(words.join(' '));
		return;
	}
	for (const word of words)
		if (word.startsWith('retry-after='))
			fields['retry-after'] = word.slice(12)
				.replace(/^date\+(\d+)$/, (_, s) => new Date(
					Date.now() + 1000 * s).toUTCString());
	refuse(response, +status, words.find((w) => !w.includes('=')) || '', fields);
}

/* --- the way to s3rver and back ----------------------------------------------- */

function forward(request, body, fault) {
	const headers = { ...request.headers };

	for (const name of Object.keys(headers))
		if (name.startsWith('x-amz-') || name === 'authorization' ||
			name === 'expect')
			delete headers[name];
	if (fault.kind === 'whole')
		delete headers.range;
	if (request.method === 'PUT') {
		if (fault.kind === 'truncate')
			body = body.subarray(0, body.length >> 1);
		headers['content-length'] = body.length;
	}
	return new Promise((resolve, reject) => {
		const out = http.request({ port: options.to, headers,
			host: '127.0.0.1', method: request.method,
			path: request.url }, (answer) => {
			const chunks = [];

			answer.on('data', (chunk) => chunks.push(chunk));
			answer.on('end', () => resolve({ status: answer.statusCode,
				headers: answer.headers,
				content: Buffer.concat(chunks) }));
		});

		out.on('error', reject);
		out.end(body);
	});
}

/* As S3: "url" encodes the keys, with '+' for a space. */
function encodeListing(answer) {
	const text = answer.content.toString().replace(/<Key>([^<]*)<\/Key>/g,
		(_, key) => '<Key>' + encode(key.replace(/&#x([0-9A-F]+);/gi,
			(__, hex) => String.fromCodePoint(parseInt(hex, 16)))
			.replace(/&lt;/g, '<').replace(/&gt;/g, '>')
			.replace(/&quot;/g, '"').replace(/&#39;/g, "'")
			.replace(/&amp;/g, '&'))
			.replace(/%20/g, '+').replace(/%2F/g, '/') + '</Key>');

	answer.content = Buffer.from(text.replace('</ListBucketResult>',
		'<EncodingType>url</EncodingType></ListBucketResult>'));
}

async function send(response, answer, fault) {
	const limit = +fault.words[0];
	const fields = { ...answer.headers };
	let content = answer.content;

	delete fields['transfer-encoding'];
	delete fields.connection;
	if (fault.kind === 'flip')
		content[content.length >> 1] ^= 1;
	if (fault.kind === 'short')
		content = content.subarray(0, limit);
	fields['content-length'] = content.length;
	if (fault.kind === 'cut') {
		/* by hand: node would send chunks */
		response.socket.end(Buffer.concat([Buffer.from(
			`HTTP/1.1 ${answer.status} OK\r\nETag: ${fields.etag}\r\n` +
			'Connection: close\r\n\r\n'), content.subarray(0, limit)]));
		return;
	}
	if (answer.status === 204)
		delete fields['content-length'];
	for (let i = 0; fault.kind === 'head' && i < limit / 1000; i++)
		fields['x-filler-' + i] = 'x'.repeat(1000);
	response.writeHead(answer.status, fields);
	if (fault.kind === 'break' || fault.kind === 'hang') {
		response.write(content.subarray(0, limit), () => {
			if (fault.kind === 'break')
				setTimeout(() => response.socket.resetAndDestroy(), 100);
		});
		return;
	}
	while (fault.kind === 'slow' && content.length > 0 &&
		!response.destroyed) {
		response.write(content.subarray(0, Math.ceil(limit / 10)));
		content = content.subarray(Math.ceil(limit / 10));
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
	response.end(content);
}

function readBody(request) {
	return new Promise((resolve, reject) => {
		const chunks = [];

		request.on('data', (chunk) => chunks.push(chunk));
		request.on('end', () => resolve(Buffer.concat(chunks)));
		request.on('error', reject);
	});
}

function listens(request) {
	return request.method === 'GET' && request.url.includes('list-type=');
}

async function answerTo(request, response, fault) {
	const list = listens(request);
	const body = await readBody(request);

	verify(request, body);
	if (fault.kind === 'status' || fault.kind === 'text') {
		ownAnswer(response, fault);
		return;
	}
	const answer = await forward(request, body, fault);
	if (fault.kind === 'lost') {
		response.socket.resetAndDestroy();
		return;
	}
	if (list && fault.kind !== 'plain' &&
		request.url.includes('encoding-type=url'))
		encodeListing(answer);
	await send(response, answer, fault);
}

async function serve(request, response) {
	const method = listens(request) ? 'LIST' : request.method;
	const fault = takeFault(method) || { kind: '', line: '', words: [] };
	const entry = { at: Date.now(), method, url: request.url,
		range: request.headers.range, if_match: request.headers['if-match'],
		fault: fault.line };

	fs.appendFileSync(options.log, JSON.stringify(entry) + '\n');
	try {
		if (fault.kind === 'reset')
			request.socket.resetAndDestroy();
		else if (fault.kind === 'swallow')
			request.once('data', () => request.pause());
		else if (fault.kind !== 'hang' || fault.words.length > 0)
			await answerTo(request, response, fault);
	} catch (error) {
		console.log(method, request.url, error.code || error);
		if (error instanceof Refusal)
			refuse(response, error.status, error.code);
		else
			response.destroy();
	}
}

const server = options.tls
	? https.createServer({ key: fs.readFileSync(options.tls + '.key'),
		cert: fs.readFileSync(options.tls + '.crt') }, serve)
	: http.createServer(serve);
server.listen(+options.port, '127.0.0.1');
