// A client that knows the API's address and nothing else: oauth4webapi finds the
// API's metadata (RFC 9728), by it Logto, gets a token there, and calls the API.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as oauth from 'oauth4webapi'
import { freePort, startExample } from './example.js'

// The library speaks TLS only, unless told that this is for trying.
const loopback = { [oauth.allowInsecureRequests]: true }

let api
let example
before(async () => {
  // Strict clients want the resource indicator to be the API's own address.
  const host = '127.0.0.2'
  const address = `${host}:${await freePort(host)}`
  api = `http://${address}`
  example = await startExample({ ADDR: address, LOGTO_AUDIENCE: api })
})
after(() => example?.stop())

async function discover(resource) {
  const answer = await oauth.resourceDiscoveryRequest(resource, loopback)
  return oauth.processResourceDiscoveryResponse(resource, answer)
}

async function findLogto(metadata) {
  const issuer = new URL(metadata.authorization_servers[0])
  const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...loopback })
  return oauth.processDiscoveryResponse(issuer, answer)
}

async function getToken(logto, application, resource, scope) {
  const client = { client_id: application }
  const answer = await oauth.clientCredentialsGrantRequest(logto, client, oauth.ClientSecretBasic(`${application}-secret`), { resource, scope }, loopback)
  return oauth.processClientCredentialsResponse(logto, client, answer)
}

const call = (token, method, path, body) => oauth.protectedResourceRequest(
  token, method, new URL(path, api), new Headers({ 'Content-Type': 'application/json' }), body, loopback)

test('from the address of the API to its products', async () => {
  const metadata = await discover(new URL(api))
  assert.equal(metadata.resource, api)
  assert.deepEqual(metadata.authorization_servers, [`${example.logto}/oidc`])
  assert.deepEqual(metadata.bearer_methods_supported, ['header'])
  assert.deepEqual(metadata.scopes_supported, ['read:products', 'write:products', 'read:orders', 'write:orders'])

  const logto = await findLogto(metadata)
  const token = await getToken(logto, 'shop-reader', metadata.resource, metadata.scopes_supported.join(' '))
  assert.equal(token.scope, 'read:products')

  const products = await call(token.access_token, 'GET', '/products')
  assert.equal(products.status, 200)
  assert.equal((await products.json()).products.length, 3)

  const refused = await call(token.access_token, 'POST', '/products', '{"name":"Tea strainer","price_cents":450}').catch((error) => error)
  assert.ok(refused instanceof oauth.WWWAuthenticateChallengeError)
  assert.equal(refused.status, 403)
  assert.equal(refused.cause[0].scheme, 'bearer')
  assert.deepEqual(refused.cause[0].parameters, { error: 'insufficient_scope', scope: 'write:products', resource_metadata: `${api}/.well-known/oauth-protected-resource` })
})

test('a challenge leads to the metadata', async () => {
  const refused = await call('opaque', 'GET', '/products').catch((error) => error)
  assert.ok(refused instanceof oauth.WWWAuthenticateChallengeError)
  assert.equal(refused.status, 401)
  const { error, resource_metadata: address } = refused.cause[0].parameters
  assert.equal(error, 'invalid_token')
  const document = await (await fetch(address)).json()
  assert.deepEqual(document, await discover(new URL(api)))
})

test('a strict client refuses an indicator that is not the address', async (t) => {
  const other = await startExample() // its audience is https://shopping.api
  t.after(() => other.stop())
  const refused = await discover(new URL(other.api)).catch((error) => error)
  assert.equal(refused.code, 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED')
})
