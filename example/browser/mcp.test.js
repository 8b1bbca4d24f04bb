// A client that knows the address of an MCP server and nothing else: that of the
// TypeScript SDK finds the server's metadata (RFC 9728), by it Logto, gets a token
// there, and calls a tool.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { freePort, startExample, startMCP } from './example.js'

let withPath
let origin
before(async () => {
  withPath = await startServer('/mcp')
  origin = await startServer('')
})
after(() => Promise.all(programs.map((program) => program.stop())))

const programs = []

// startServer runs the MCP server and the stand-in for Logto. The SDK wants the
// resource indicator to be the server's own address, or its beginning.
async function startServer(path) {
  const host = '127.0.0.3'
  const address = `${host}:${await freePort(host)}`
  const indicator = `http://${address}${path}`
  const example = await startExample({ LOGTO_AUDIENCE: indicator })
  programs.push(example)
  programs.push(await startMCP({ ADDR: address, LOGTO_ENDPOINT: example.logto, LOGTO_AUDIENCE: indicator }))
  return { indicator, url: `http://${address}/mcp`, issuer: `${example.logto}/oidc` }
}

// connect is what a program does that uses the SDK. It gives the client, or why there
// is none; the paths that were asked for; and the resources that tokens were asked for.
async function connect(t, version, server, application) {
  const { Client } = await import(`mcp-sdk-${version}/client/index.js`)
  const { StreamableHTTPClientTransport } = await import(`mcp-sdk-${version}/client/streamableHttp.js`)
  const { ClientCredentialsProvider } = await import(`mcp-sdk-${version}/client/auth-extensions.js`)

  const authProvider = new ClientCredentialsProvider({
    clientId: application, clientSecret: `${application}-secret`, expectedIssuer: server.issuer,
  })
  authProvider.clientMetadata.scope = 'read:products' // 1.25.3 has no option for it, and without it Logto grants none
  const paths = []
  const resources = []
  const transport = new StreamableHTTPClientTransport(new URL(server.url), {
    authProvider,
    fetch(url, init) {
      const { pathname } = new URL(url)
      paths.push(pathname)
      if (pathname === '/oidc/token') resources.push(new URLSearchParams(init.body).get('resource'))
      return fetch(url, init)
    },
  })
  const client = new Client({ name: 'test', version: '1.0.0' })
  t.after(() => client.close())
  const error = await client.connect(transport).catch((e) => e)
  return { client, error, paths, resources }
}

async function callTools({ client, error }, subject) {
  assert.ifError(error)
  const caller = await client.callTool({ name: 'whoami' })
  assert.deepEqual(caller.structuredContent, { subject, organization: '' })
  const refused = await client.callTool({ name: 'delete_product' })
  assert.equal(refused.isError, true)
  assert.equal(refused.content[0].text, 'the token does not hold the scope that is needed')
}

for (const version of ['1.25.3', '1.32.2']) {
  test(`${version}: from the address of the server to its tools`, async (t) => {
    const connection = await connect(t, version, withPath, 'shop-reader')
    await callTools(connection, 'shop-reader')
    assert.deepEqual(connection.resources, [withPath.indicator])
    assert.ok(connection.paths.includes('/.well-known/oauth-protected-resource/mcp'))
    assert.ok(connection.paths.includes('/oidc/.well-known/openid-configuration'))
  })

  test(`${version}: an application without the scope is refused after it has asked once more`, async (t) => {
    const { error, resources } = await connect(t, version, withPath, 'no-role')
    assert.equal(error?.code, 403)
    assert.match(error.message, /after trying upscoping/) // it takes insufficient_scope for what it is
    assert.equal(resources.length, 2)
  })
}

// What New warns of: an indicator without a path.
test('1.25.3 writes an origin with a slash, and Logto knows no such resource', async (t) => {
  const { error, resources } = await connect(t, '1.25.3', origin, 'shop-reader')
  assert.equal(error?.errorCode, 'invalid_target')
  assert.deepEqual(resources, [`${origin.indicator}/`])
})

test('1.32.2 writes an origin as the metadata does', async (t) => {
  const connection = await connect(t, '1.32.2', origin, 'shop-reader')
  await callTools(connection, 'shop-reader')
  assert.deepEqual(connection.resources, [origin.indicator])
})
