// A person signs in at Logto and comes back to the page.
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
  assert.doesNotMatch(log, /code=|eyJ[\w-]{41}/, 'codes and tokens are in no log')
})

const open = (options) => openPage(browser, example.api, { logto: example.logto, ...options })

test('authorization code with PKCE, and nothing of it is left behind', async () => {
  const { page, close } = await open()
  const asked = page.waitForRequest((request) => request.url().startsWith(`${example.logto}/oidc/auth`))
  const redeemed = page.waitForRequest(`${example.logto}/oidc/token`)
  await signIn(page, 'alice')
  const query = new URL((await asked).url()).searchParams
  assert.equal(query.get('redirect_uri'), `${example.api}/`)
  assert.equal(query.get('code_challenge_method'), 'S256')
  assert.ok(query.get('state').length >= 43)
  const form = new URLSearchParams((await redeemed).postData())
  assert.equal(form.get('grant_type'), 'authorization_code')
  assert.ok(form.get('code_verifier').length >= 43)
  assert.ok((await page.locator('#request').textContent()).includes(form.toString()), 'the page shows what it sent')

  assert.equal(page.url(), `${example.api}/`)
  assert.deepEqual(await page.evaluate(() => [sessionStorage.length, localStorage.length, document.cookie, history.state]), [0, 0, '', null])
  await page.reload()
  await claim(page, 'sub', 'shop-manager')
  assert.equal(await page.getByRole('alert').count(), 0)
  await close()
})

test('by name, and by keyboard', async () => {
  const api = example.api.replace('127.0.0.1', 'localhost')
  const { page, close } = await openPage(browser, api, { logto: example.logto })
  await claim(page, 'sub', 'shop-manager')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  const bob = page.getByRole('button', { name: 'bob', exact: true })
  await bob.waitFor()
  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab')
  assert.ok(await bob.evaluate((button) => button === document.activeElement))
  await page.keyboard.press('Enter')
  await claim(page, 'sub', 'bob')
  assert.equal(await page.locator('[value=member]').isVisible(), false, 'bob is in no organization')
  assert.equal((await call(page, 'POST /products')).status, '403 Forbidden')
  await close()
})

test('an answer that this page did not ask for does not count', async () => {
  const attempt = { state: 'mine', verifier: 'v'.repeat(43) }
  const iss = `${example.logto}/oidc`
  const { page, close } = await open()
  await claim(page, 'sub', 'shop-manager')
  const askedLogto = []
  page.on('request', (request) => { if (request.url().startsWith(example.logto)) askedLogto.push(request.url()) })
  for (const [stored, query, trouble] of [
    [null, { code: 'c', state: 'theirs', iss }, 'did not ask for that sign-in'],
    [null, { code: 'c', iss }, 'did not ask for that sign-in'],
    [attempt, { code: 'c', state: 'theirs', iss }, 'did not ask for that sign-in'],
    [attempt, { code: 'c', state: 'mine', iss: 'https://evil.example/oidc' }, 'did not ask for that sign-in'],
    [attempt, { code: 'c', state: 'mine' }, 'did not ask for that sign-in'],
    [attempt, { error: 'access_denied', error_description: 'no', state: 'mine', iss }, 'Logto refused the sign-in: no.'],
  ]) {
    if (stored) await page.evaluate((text) => sessionStorage.setItem('attempt', text), JSON.stringify(stored))
    await page.goto(`${example.api}/?${new URLSearchParams(query)}`)
    await page.getByRole('alert').getByText(trouble).waitFor()
    assert.equal(page.url(), `${example.api}/`)
    assert.deepEqual(askedLogto, [], 'no code is redeemed')
    assert.equal(await page.evaluate(() => sessionStorage.length), 0, 'an attempt counts once')
  }
  assert.equal((await call(page, 'GET /products')).status, '200 OK', 'machines go on')
  await close()
})

test('a code that Logto refuses is an error to read', async () => {
  const { page, close } = await open()
  await claim(page, 'sub', 'shop-manager')
  await page.evaluate((attempt) => sessionStorage.setItem('attempt', attempt), JSON.stringify({ state: 'mine', verifier: 'v'.repeat(43) }))
  await page.goto(`${example.api}/?${new URLSearchParams({ code: 'c', state: 'mine', iss: `${example.logto}/oidc` })}`)
  await page.getByRole('alert').getByText('That did not work: grant request is invalid.').waitFor()
  await pick(page, 'shop-reader')
  await signIn(page, 'alice')
  await close({ allow: /status of 400 / })
})

// A code works once, and one that comes again ends the sign-in.
test('choosing fast costs no sign-in', async () => {
  const { page, close } = await open()
  let release
  const released = new Promise((resolve) => { release = resolve })
  const asked = page.waitForRequest(`${example.logto}/oidc/token`)
  await page.route(`${example.logto}/oidc/token`, async (route) => {
    await released
    await route.continue()
  })
  await page.getByRole('button', { name: /^Sign in as / }).click()
  await page.getByRole('button', { name: 'carol' }).click()
  await asked
  await page.getByRole('radio', { name: 'shop-reader' }).check()
  await page.getByRole('radio', { name: 'A plain token' }).check()
  release()
  await claim(page, 'sub', 'carol')
  await page.getByRole('radio', { name: 'carol in acme' }).check()
  await claim(page, 'organization_id', 'acme')
  assert.equal((await call(page, 'GET /organizations/acme/orders')).status, '200 OK')
  await page.getByRole('radio', { name: 'A plain token' }).check()
  assert.equal((await call(page, 'GET /organizations/acme/orders')).status, '403 Forbidden')
  assert.deepEqual(JSON.parse((await call(page, 'GET /me')).body).scopes, [], 'what is granted in organizations only does not count')
  await close()
})

test('a person\'s tokens are believed no more than a machine\'s', async () => {
  const { page, close } = await open()
  await signIn(page, 'bob')
  for (const [choice, sentence, why] of [
    ['Rewritten', 'Somebody has written every scope', /signature is wrong/],
    ['Expired', 'two hours ago', /the token expired/],
    ['ID token', 'who has signed in', /not an access token/],
  ]) {
    await send(page, choice, sentence)
    assert.match((await call(page, 'GET /products')).why, why)
    if (choice === 'ID token') await claim(page, 'jti', 'not there') // it is the one of the sign-in
  }
  await close()
})

test('signing out everywhere ends every token of the person, and no other', async () => {
  const other = await open()
  await signIn(other.page, 'alice')
  const bobs = await open()
  await signIn(bobs.page, 'bob')
  const { page, close } = await open()
  await signIn(page, 'alice')
  await page.getByRole('button', { name: 'Sign out everywhere' }).click()
  await page.getByRole('status').getByText('Revoked: every token that Logto has issued to alice so far.').waitFor()
  const revoked = await page.evaluate(() => Math.floor(Date.now() / 1000))
  for (const each of [page, other.page]) {
    assert.equal((await call(each, 'GET /products')).why, '401 Unauthorized: the token was revoked.')
  }
  assert.equal((await call(bobs.page, 'GET /products')).status, '200 OK')
  await page.getByRole('button', { name: 'Ask for a new token' }).click()
  await page.getByRole('alert').getByText('Signed out. Sign in again.').waitFor()

  await page.waitForFunction((second) => Date.now() / 1000 >= second + 1, revoked)
  await signIn(page, 'alice')
  assert.equal((await call(page, 'GET /products')).status, '200 OK')
  await Promise.all([close(), other.close(), bobs.close()])
})
