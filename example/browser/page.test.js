// Every caller against every route, as a person sees it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startBrowser, startExample } from './example.js'
import { call, claim, openPage, pick, send, signIn } from './page.js'

let example
let browser
before(async () => {
  example = await startExample()
  browser = await startBrowser()
})
after(async () => {
  await browser?.close()
  const log = await example?.stop()
  // A key's ID is random, and may have eyJ in its 43 characters: a token begins with more.
  assert.doesNotMatch(log, /-secret|eyJ[\w-]{41}/, 'secrets and tokens are in no log')
})

const tokenSteps = ['header', 'form', 'type', 'algorithm', 'issuer', 'audience', 'claims', 'key', 'signature', 'revocation']

// steps are those of a route, up to the one that fails, if one does.
function steps(asks, failed) {
  const names = [...tokenSteps, ...asks]
  const end = failed ? names.indexOf(failed) : names.length
  return names.map((name, i) => [name, i < end ? 'passed' : i === end ? 'failed' : 'open'])
}

const applications = ['shop-manager', 'shop-reader', 'no-role', 'acme-bot', 'acme-viewer']
const callers = [...applications, 'alice', 'bob', 'carol', 'carol in acme']
const scope = ['scope']
const both = ['organization', 'scope']
const tea = '"name":"Tea strainer"'

// For each caller, in their order: the status it is let in with, or the step
// that refuses it.
const table = [
  // route, the steps beyond the token's, the scope, what a body that is let in holds, the callers
  ['GET /products', scope, 'read:products', '"name":"Earl Grey, 100 g"', [200, 200, 'scope', 'scope', 'scope', 200, 200, 'scope', 'scope']],
  ['GET /products/p_tea', scope, 'read:products', '"price_cents":690', [200, 200, 'scope', 'scope', 'scope', 200, 200, 'scope', 'scope']],
  ['POST /products', scope, 'write:products', tea, [201, 'scope', 'scope', 'scope', 'scope', 201, 'scope', 'scope', 'scope']],
  ['PUT /products/p_cup', scope, 'write:products', '"price_cents":1390', [200, 'scope', 'scope', 'scope', 'scope', 200, 'scope', 'scope', 'scope']],
  ['DELETE /products/p_pot', scope, 'write:products', 'none', [204, 'scope', 'scope', 'scope', 'scope', 404, 'scope', 'scope', 'scope']],
  ['GET /organizations/acme/orders', both, 'read:orders', '{"orders":[', ['organization', 'organization', 'organization', 200, 200, 'organization', 'organization', 'organization', 200]],
  ['POST /organizations/acme/orders', both, 'write:orders', '"ordered_by":"', ['organization', 'organization', 'organization', 201, 'scope', 'organization', 'organization', 'organization', 201]],
  ['GET /organizations/globex/orders', both, 'read:orders', '', Array(9).fill('organization')],
  ['POST /organizations/globex/orders', both, 'write:orders', '', Array(9).fill('organization')],
  ['GET /me', [], '', '"client_id":', Array(9).fill(200)],
  ['GET /healthz', null, '', '{"status":"ok"}', Array(9).fill(200)],
  ['GET /readyz', null, '', '{"status":"ready"}', Array(9).fill(200)],
]

const words = { 200: 'OK', 201: 'Created', 204: 'No Content', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found' }
const held = {
  'shop-manager': 'read:products write:products', 'shop-reader': 'read:products', 'no-role': '', 'acme-bot': 'read:orders write:orders', 'acme-viewer': 'read:orders',
  alice: 'read:products write:products', bob: 'read:products', carol: 'read:orders write:orders', 'carol in acme': 'read:orders write:orders',
}
const inAcme = (caller) => caller.includes('acme')
const isOutside = (caller, route) => inAcme(caller) && !route.includes('/acme/')

function why(caller, route, failed, needs) {
  if (failed === 'organization') {
    const served = route.includes('/acme/') ? 'acme' : 'globex'
    const trap = caller === 'carol' ? ` It lists ${needs} all the same: Logto writes into a person’s plain token what they hold in any organization.` : ''
    return `this route serves ${served}, and this token is bound to ${inAcme(caller) ? 'acme' : 'no organization'}.${trap}`
  }
  if (isOutside(caller, route)) return `this route needs ${needs}. This token holds ${held[caller]}, and in acme only.`
  if (caller === 'no-role') return `this route needs ${needs}. This token is genuine and for this API, and holds no scope at all: no role has given it one.`
  return `this route needs ${needs}. This token holds ${held[caller]}.`
}

// choose picks a machine, or signs a person in.
async function choose(page, caller) {
  const [person, organization] = caller.split(' in ')
  if (applications.includes(caller)) return pick(page, caller)
  await signIn(page, person)
  if (!organization) return
  await page.getByRole('radio', { name: caller }).check()
  await claim(page, 'organization_id', organization)
}

const descriptions = { scope: 'the token does not hold the scope that is needed', organization: 'the token is not for this organization' }
const challenge = (...parameters) => `Bearer ${[...parameters, `resource_metadata="${example.api}/.well-known/oauth-protected-resource"`].filter(Boolean).join(', ')}`
const elsewhere = 'the token\'s scopes are bound to an organization, which is not the one being served'

for (const [column, caller] of callers.entries()) {
  test(`${caller} on every route`, async () => {
    const { page, close } = await openPage(browser, example.api, { logto: example.logto })
    await choose(page, caller)
    assert.deepEqual(await page.locator('.routes button').allInnerTexts().then((all) => all.map((text) => text.replace(/\s+/g, ' '))), table.map(([route]) => route))
    for (const [route, asks, needs, body, cells] of table) {
      const failed = typeof cells[column] === 'string' ? cells[column] : ''
      const status = failed ? 403 : cells[column] // 404: another caller has deleted it
      const got = await call(page, route)
      assert.equal(got.status, `${status} ${words[status]}`, route)
      assert.equal(got.badge, String(status), route)
      assert.deepEqual(got.steps, asks ? steps(asks, failed) : [], route)
      if (needs) assert.equal(got.asked, needs, 'RequireScope shows what the route asks for')
      assert.equal(got.news, `${route}: ${got.why.replace(': ', '. ')}`)
      if (!failed) {
        assert.equal(got.challenge, '', route)
        if (status < 300) assert.ok(got.body.includes(body), `${route}: ${got.body}`)
        continue
      }
      assert.equal(got.challenge, challenge('error="insufficient_scope"', failed === 'scope' && `scope="${needs}"`), route)
      const said = failed === 'scope' && isOutside(caller, route) ? elsewhere : descriptions[failed]
      assert.deepEqual(JSON.parse(got.body), { error: 'insufficient_scope', error_description: said }, route)
      assert.equal(got.why, `403 Forbidden: ${why(caller, route, failed, needs)}`)
      assert.equal(got.words.at(-1), 'the document there says which Logto gives tokens for this API', route)
      assert.equal(got.words.some((text) => text === `a token needs ${needs} here`), failed === 'scope', route)
    }
    await close()
  })
}

test('the token request, its answer, and the token taken apart', async () => {
  const { page, close } = await openPage(browser, example.api)
  for (const application of applications) {
    await pick(page, application)
    const request = await page.locator('#request').textContent()
    const answer = await page.locator('#answer').textContent()
    assert.match(request, /^POST \/oidc\/token HTTP\/1\.1\r\n/)
    assert.ok(request.includes(Buffer.from(`${application}:${application}-secret`).toString('base64')))
    assert.equal(request.includes('organization_id=acme'), inAcme(application))
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
    const token = (await page.locator('pre.raw', { has: page.locator('#raw0') }).textContent()).trim()
    assert.ok(answer.includes(`"access_token":"${token}"`))
    await claim(page, 'scope', held[application] || 'not there')
    await claim(page, 'iss', `${example.logto}/oidc`)
    await claim(page, 'aud', 'https://shopping.api')
    assert.equal(await page.locator('#claims').getByText('organization_id', { exact: true }).count(), inAcme(application) ? 1 : 0)
    assert.match(await page.locator('#granted').textContent(), application === 'no-role' ? /and got none/ : new RegExp(`: ${held[application]}\\.$`))
    assert.match(await page.getByRole('timer').textContent(), /^Expires in (1 h 00 min|59 min \d\d s)$/)
    assert.ok(await page.getByRole('progressbar', { name: 'Lifetime that is left' }).getAttribute('value') > 3500)
  }
  await close()
})

test('tokens that are not believed', async () => {
  const { page, close } = await openPage(browser, example.api)
  await pick(page, 'shop-manager')
  for (const [choice, sentence, failed, description] of [
    ['Rewritten', 'Somebody has written every scope', 'signature', 'the token\'s signature is wrong'],
    ['Expired', 'two hours ago', 'claims', 'the token expired'],
    ['ID token', 'who has signed in', 'type', 'this is not an access token: its typ is not at+jwt (an ID token is for the application that asked for it)'],
    ['No token', 'no Authorization header', 'header', ''],
  ]) {
    await send(page, choice, sentence)
    assert.equal(await page.locator('#parts[hidden]').count(), choice === 'No token' ? 1 : 0)
    for (const [route, asks] of table.filter(([route]) => ['POST /products', 'GET /organizations/acme/orders', 'GET /me'].includes(route))) {
      const got = await call(page, route)
      assert.equal(got.status, '401 Unauthorized', `${choice}: ${route}`)
      assert.equal(got.challenge, challenge(description && `error="invalid_token", error_description="${description}"`))
      assert.equal(JSON.parse(got.body).error, description ? 'invalid_token' : 'no_token')
      assert.equal(got.why, `401 Unauthorized: ${JSON.parse(got.body).error_description}.`)
      assert.deepEqual(got.steps, steps(asks, failed), `${choice}: ${route}`)
    }
    assert.equal((await call(page, 'GET /healthz')).status, '200 OK')
  }
  await send(page, 'As issued', 'unchanged')
  assert.equal((await call(page, 'GET /products')).status, '200 OK')
  await close()
})

test('tokens are revoked, and a new one is not', async () => {
  const { page, close } = await openPage(browser, example.api)
  await pick(page, 'shop-reader')
  assert.equal((await call(page, 'GET /products')).status, '200 OK')
  await page.getByRole('button', { name: 'Revoke its tokens', exact: true }).click()
  await page.getByRole('status').getByText('Revoked: every token that Logto has issued to shop-reader so far.').waitFor()
  const revoked = await page.evaluate(() => Math.floor(Date.now() / 1000))
  const got = await call(page, 'GET /products')
  assert.equal(got.why, '401 Unauthorized: the token was revoked.')
  assert.equal(got.challenge, challenge('error="invalid_token"', 'error_description="the token was revoked"'))
  assert.deepEqual(got.steps, steps(scope, 'revocation'))
  await send(page, 'Expired', 'That did not work: the token was revoked.')

  await page.waitForFunction((second) => Date.now() / 1000 >= second + 1, revoked)
  await page.getByRole('button', { name: 'Ask for a new token', exact: true }).click()
  await page.getByText('What Logto answered, unchanged.').waitFor()
  assert.equal((await call(page, 'GET /products')).status, '200 OK')
  await pick(page, 'shop-manager')
  assert.equal((await call(page, 'GET /products')).status, '200 OK', 'another application\'s were not revoked')
  await close()
})

test('what the guard lets in can still be missing', async () => {
  const { page, close } = await openPage(browser, example.api)
  await pick(page, 'shop-manager')
  await call(page, 'DELETE /products/p_pot')
  await page.locator('#news').evaluate((news) => { news.textContent = 'waiting' })
  await page.getByRole('button', { name: 'DELETE /products/p_pot', exact: true }).click()
  await page.locator('.why').getByText('404 Not Found').waitFor()
  const got = await page.locator('.why').textContent()
  assert.equal(got, '404 Not Found: the guard let it in. The shop itself says: there is no such product.')
  assert.equal(await page.locator('.steps .passed').count(), tokenSteps.length + 1)
  await close()
})
