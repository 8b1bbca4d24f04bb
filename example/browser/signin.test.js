// Users sign in to applications that use Logto's SDKs for the browser and for Node, and
// oauth4webapi, which knows OpenID Connect and nothing of Logto. With their tokens the
// applications call the API.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { after, before, test } from 'node:test'
import LogtoClient, { UserScope } from '@logto/node'
import { buildSync } from 'esbuild'
import * as oauth from 'oauth4webapi'
import { startBrowser, startExample, startLogto } from './example.js'

const shop = 'https://shopping.api'

const site = createServer(serveSite)
let origin
let logto
let example
let settings
let script
before(async () => {
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve))
  // Under another name than Logto, so that a browser takes the two for different sites.
  origin = `http://localhost:${site.address().port}`
  logto = await startLogto({ ORIGIN: origin })
  example = await startExample({ LOGTO_ENDPOINT: logto.endpoint, LOGTO_AUDIENCE: shop })
  settings = {
    endpoint: logto.endpoint,
    resources: [shop],
    scopes: ['email', 'read:products', 'write:products', 'read:orders', UserScope.Organizations],
  }
  script = bundle()
})
after(async () => {
  site.close()
  site.closeAllConnections()
  await example?.stop()
  await logto?.stop()
})

// serveSite is the web server of the single-page application. It passes on what is for the
// API, which has no CORS: pages of other origins can't ask it.
async function serveSite(request, response) {
  if (request.url.startsWith('/api/')) {
    const answer = await call(request.headers.authorization.replace('Bearer ', ''), request.url.slice('/api'.length))
    response.writeHead(answer.status).end()
  } else if (request.url === '/spa.js') {
    response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(script)
  } else {
    response.writeHead(200, { 'Content-Type': 'text/html' })
    response.end('<!doctype html><title>Shop</title><link rel="icon" href="data:,"><body><script type="module" src="/spa.js"></script>')
  }
}

// bundle makes one script of the application and the SDK, as a build of it would.
function bundle() {
  const built = buildSync({
    entryPoints: [fileURLToPath(new URL('spa.js', import.meta.url))],
    bundle: true,
    format: 'esm',
    write: false,
    define: { SETTINGS: JSON.stringify({ appId: 'spa', ...settings }) },
  })
  return built.outputFiles[0].text
}

const call = (token, path) => fetch(example.api + path, { headers: { Authorization: `Bearer ${token}` } })

// click signs alice in on the page at an address. It gives the address that she is sent to.
async function click(address) {
  const page = await fetch(address)
  assert.match(await page.text(), /<button name="user" value="alice">alice<\/button>/)
  const answer = await fetch(address, { method: 'POST', body: new URLSearchParams({ user: 'alice' }), redirect: 'manual' })
  return answer.headers.get('Location')
}

test('@logto/browser in Chromium', async (t) => {
  const browser = await startBrowser()
  t.after(() => browser.close())
  const page = await browser.newPage()
  const faults = []
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('console', (message) => { if (message.type() === 'error') faults.push(`${message.text()} ${message.location().url}`) })
  let tokens = 0 // that were asked for
  page.on('request', (request) => { if (request.url() === `${logto.endpoint}/oidc/token`) tokens++ })
  const signIn = async (user) => {
    await page.getByText('Nobody is signed in').waitFor()
    await page.evaluate((callback) => { window.logto.signIn(callback) }, `${origin}/callback`)
    await page.getByRole('heading', { name: 'Sign in to spa' }).waitFor()
    await page.getByRole('button', { name: user }).click()
    await page.getByText(`Hello, ${user}`).waitFor()
  }
  const reload = async (user) => {
    tokens = 0
    await page.reload()
    await page.getByText(`Hello, ${user}`).waitFor()
  }
  const signOut = () => page.evaluate((home) => { window.logto.signOut(home) }, `${origin}/`)
  const ask = (...question) => page.evaluate(([path, organization]) => window.call(path, organization), question)
  const refreshToken = () => page.evaluate(() => window.logto.getRefreshToken())

  await page.goto(origin)
  await signIn('alice')
  const user = await page.evaluate(() => window.logto.fetchUserInfo())
  assert.deepEqual([user.sub, user.username, user.email, user.organizations], ['alice', 'alice', 'alice@example.com', ['acme']])
  assert.equal(await ask('/products'), 200)
  assert.equal(await ask('/organizations/acme/orders'), 403, 'although the token holds read:orders')
  assert.equal(await ask('/organizations/acme/orders', 'acme'), 200)
  const claims = await page.evaluate(() => window.logto.getOrganizationTokenClaims('acme'))
  assert.deepEqual([claims.aud, claims.sub, claims.client_id], ['urn:logto:organization:acme', 'alice', 'spa'])

  await reload('alice')
  assert.equal(await ask('/products'), 200)
  assert.equal(tokens, 0, 'they are kept')
  const first = await refreshToken()
  await page.evaluate(() => window.logto.clearAccessToken())
  const atOnce = await Promise.all([ask('/products'), ask('/organizations/acme/orders', 'acme')])
  assert.deepEqual(atOnce, [200, 200])
  assert.equal(tokens, 2)
  const last = await refreshToken()
  assert.notEqual(last, first, 'what has no secret gets another one each time')

  await signOut()
  await page.getByText('Nobody is signed in').waitFor()
  const ended = { grant_type: 'refresh_token', client_id: 'spa', refresh_token: last }
  const refused = await fetch(`${logto.endpoint}/oidc/token`, { method: 'POST', body: new URLSearchParams(ended) })
  assert.equal((await refused.json()).error, 'invalid_grant')

  await signIn('bob')
  assert.equal(await ask('/products'), 403)
  await reload('bob')
  assert.equal(await ask('/products'), 403)
  assert.equal(tokens, 0, 'a token without scopes is kept, too')
  assert.deepEqual(faults.filter((fault) => !/status of 403 .* http:[^ ]+\/api\//.test(fault)), [])
})

test('@logto/node', async () => {
  const kept = new Map()
  const storage = {
    getItem: async (key) => kept.get(key) ?? null,
    setItem: async (key, value) => { kept.set(key, value) },
    removeItem: async (key) => { kept.delete(key) },
  }
  let address
  const navigate = (url) => { address = url }
  const client = new LogtoClient({ appId: 'web', appSecret: 'web-secret', ...settings }, { storage, navigate })

  await client.signIn(`${origin}/callback`)
  await client.handleSignInCallback(await click(address))
  const { claims, scopes, userInfo, organizationTokens } = await client.getContext({
    getAccessToken: true, resource: shop, fetchUserInfo: true, getOrganizationToken: true,
  })
  assert.deepEqual([claims.sub, claims.aud, userInfo.email], ['alice', 'web', 'alice@example.com'])
  assert.deepEqual(scopes, ['read:products', 'read:orders'])
  assert.deepEqual(Object.keys(organizationTokens), ['acme'])
  assert.equal((await call(await client.getAccessToken(shop), '/products')).status, 200)
  assert.equal((await call(await client.getAccessToken(shop), '/organizations/acme/orders')).status, 403)
  assert.equal((await call(await client.getAccessToken(shop, 'acme'), '/organizations/acme/orders')).status, 200)
  assert.equal((await call(await client.getAccessToken(), '/products')).status, 401, 'without a resource it is opaque')

  await client.signOut(`${origin}/`)
  assert.equal(await client.isAuthenticated(), false)
  assert.equal((await fetch(address, { redirect: 'manual' })).headers.get('Location'), `${origin}/`)
})

test('oauth4webapi', async () => {
  const loopback = { [oauth.allowInsecureRequests]: true }
  const issuer = new URL(`${logto.endpoint}/oidc`)
  const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...loopback }))
  assert.equal(server.authorization_response_iss_parameter_supported, true)
  const client = { client_id: 'spa' }
  const redirectURI = `${origin}/callback`
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const nonce = oauth.generateRandomNonce()
  const address = new URL(server.authorization_endpoint)
  address.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: redirectURI,
    response_type: 'code',
    scope: 'openid offline_access read:products',
    prompt: 'consent',
    resource: shop,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
  })

  const callback = new URL(await click(address))
  const answer = oauth.validateAuthResponse(server, client, callback, state) // and iss, as the discovery document promises it
  const redeem = async () => oauth.processAuthorizationCodeResponse(
    server, client,
    await oauth.authorizationCodeGrantRequest(server, client, oauth.None(), answer, redirectURI, verifier, loopback),
    { expectedNonce: nonce, requireIdToken: true })
  const opaque = await redeem()
  assert.equal(oauth.getValidatedIdTokenClaims(opaque).sub, 'alice')
  assert.equal((await call(opaque.access_token, '/products')).status, 401)

  const refreshed = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), opaque.refresh_token, { additionalParameters: { resource: shop }, ...loopback })
  const token = await oauth.processRefreshTokenResponse(server, client, refreshed)
  assert.equal(token.scope, 'read:products')
  assert.equal((await call(token.access_token, '/products')).status, 200)

  await assert.rejects(redeem, { error: 'invalid_grant' })
})
