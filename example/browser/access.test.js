// The page for everybody: by keyboard, on any screen, in light and dark, and
// without JavaScript.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startBrowser, startExample } from './example.js'
import { call, checkAccess, checkWidth, claim, openPage, pick, send, signIn, unfold } from './page.js'

let example
let browser
before(async () => {
  example = await startExample()
  browser = await startBrowser()
})
after(async () => {
  await browser?.close()
  await example?.stop()
})

for (const [colorScheme, width] of [['light', 1440], ['dark', 360]]) {
  test(`axe-core finds nothing, ${colorScheme}, ${width} px`, async () => {
    const { page, close } = await openPage(browser, example.api, { colorScheme, logto: example.logto, viewport: { width, height: 800 } })
    await pick(page, 'shop-reader')
    await checkAccess(page, 'at start')
    await unfold(page)
    await call(page, 'GET /products')
    await checkAccess(page, 'let in')
    await call(page, 'POST /products')
    await unfold(page)
    await checkAccess(page, 'refused')
    await send(page, 'Expired', 'two hours ago')
    await call(page, 'GET /me')
    await checkAccess(page, 'expired')
    await send(page, 'No token', 'no Authorization header')
    await call(page, 'GET /healthz')
    await checkAccess(page, 'no token')
    await signIn(page, 'carol')
    await call(page, 'GET /organizations/acme/orders')
    await checkAccess(page, 'signed in')
    await page.route('**/demo/token', (route) => route.abort('connectionrefused'))
    await page.getByRole('radio', { name: 'no-role' }).check()
    await page.getByRole('alert').waitFor()
    await checkAccess(page, 'trouble')
    await page.unroute('**/demo/token')
    await close({ allow: /ERR_CONNECTION_REFUSED/ })
  })
}

test('light and dark are different, and motion can be done without', async () => {
  const seen = []
  for (const options of [{ colorScheme: 'light', reducedMotion: 'reduce' }, { colorScheme: 'dark', reducedMotion: 'no-preference' }]) {
    const { page, close } = await openPage(browser, example.api, options)
    await pick(page, 'shop-reader')
    await call(page, 'GET /products')
    seen.push(await page.evaluate(() => [
      getComputedStyle(document.body).backgroundColor,
      getComputedStyle(document.querySelector('.result')).animationName,
      getComputedStyle(document.querySelector('button')).transitionProperty,
    ]))
    await close()
  }
  assert.deepEqual(seen, [['rgb(247, 247, 244)', 'none', 'all'], ['rgb(21, 24, 27)', 'arrive', 'background-color, border-color']])
})

test('nothing is cut off, from 320 pixels on and with text of twice the size', async () => {
  for (const [width, size] of [[320, 100], [640, 200], [768, 100], [1056, 100], [1440, 200], [2560, 100]]) {
    const { page, close } = await openPage(browser, example.api, { viewport: { width, height: 700 } })
    await page.evaluate((percent) => { document.documentElement.style.fontSize = `${percent}%` }, size)
    for (const [application, route] of [['acme-bot', 'POST /organizations/globex/orders'], ['shop-reader', 'GET /products']]) {
      await pick(page, application)
      await call(page, route)
      await unfold(page)
      await checkWidth(page, `${width} px, ${size} %`)
    }
    await close()
  }
})

test('choosing, calling and the answer are above the fold', async () => {
  const { page, close } = await openPage(browser, example.api, { logto: example.logto, viewport: { width: 1280, height: 900 } })
  const checkFold = async (...locators) => {
    assert.equal(await page.evaluate(() => scrollY), 0)
    for (const locator of locators) {
      const { y, height } = await locator.boundingBox()
      assert.ok(y >= 0 && y + height <= 900, `${locator}: ${y} + ${height}`)
    }
  }
  await pick(page, 'shop-reader')
  await call(page, 'POST /products')
  await checkFold(page.getByRole('heading', { level: 1 }), page.getByRole('button', { name: 'Sign in as alice, bob or carol' }), page.locator('.why'), page.locator('.steps .failed'))
  assert.deepEqual(await page.locator('details[open]').count(), 0, 'the rest is folded')
  await signIn(page, 'carol')
  await call(page, 'GET /organizations/acme/orders')
  await checkFold(page.getByRole('radio', { name: 'carol in acme' }), page.getByRole('button', { name: 'Sign out everywhere' }), page.locator('.why'))
  await close()
})

test('on a phone the steps are one column, in order', async () => {
  const { page, close } = await openPage(browser, example.api, { viewport: { width: 390, height: 844 } })
  await claim(page, 'sub', 'shop-manager')
  assert.deepEqual((await page.locator('h2:has(.number)').allTextContents()), ['1 Choose who calls', '2 Call the API', '3 Look inside'])
  const boxes = await page.locator('section.card').evaluateAll((all) => all.map((card) => card.getBoundingClientRect().toJSON()))
  for (const [i, box] of boxes.entries()) {
    assert.equal(box.left, boxes[0].left)
    if (i) assert.ok(box.top >= boxes[i - 1].bottom)
  }
  // The answer to a button at the lower edge is scrolled to.
  await page.getByRole('button', { name: 'GET /me' }).evaluate((button) => {
    button.scrollIntoView({ block: 'end' })
    button.click()
  })
  await page.locator('.why').waitFor()
  const { y, height } = await page.locator('.why').boundingBox()
  assert.ok(y >= 0 && y + height <= 844, `${y} + ${height}`)
  await close()
})

test('the keyboard is enough', async () => {
  const { page, close } = await openPage(browser, example.api)
  await claim(page, 'sub', 'shop-manager')
  const focused = () => page.evaluate(() => {
    const at = document.activeElement
    const { outlineStyle, outlineWidth } = getComputedStyle(at)
    return { name: (at.value ?? '') || at.textContent.replace(/\s+/g, ' '), visible: outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2 }
  })
  const walk = []
  for (;;) {
    await page.keyboard.press('Tab')
    const { name, visible } = await focused()
    if (name.includes('GET /readyz')) break
    assert.ok(visible, `the focus on ${name} can be seen`)
    walk.push(name)
    if (name === 'shop-manager') {
      await page.keyboard.press('ArrowDown')
      await claim(page, 'sub', 'shop-reader')
    }
    if (name === 'issued') {
      await page.keyboard.press('ArrowRight')
      await page.getByText('Somebody has written every scope').waitFor()
      await page.keyboard.press('ArrowLeft')
      await claim(page, 'scope', 'read:products')
    }
    if (name === 'POST /products') {
      await page.keyboard.press('Enter')
      await page.locator('.why').getByText('403 Forbidden').waitFor()
      assert.equal((await focused()).name, 'POST /products', 'the focus stays')
      assert.match(await page.getByRole('status').last().textContent(), /^POST \/products: 403 Forbidden\. this route needs write:products/)
    }
    assert.ok(walk.length < 40, walk.join())
  }
  assert.deepEqual(walk.slice(0, 5), ['shop-manager', 'Sign in as alice, bob or carol', 'Ask for a new token', 'Revoke its tokens', 'issued'])
  assert.equal(walk.length, 5 + 11 + 1)
  assert.ok(walk.includes('The whole answer'))
  await close()
})

test('the expiry runs down, and a new token can be had', async () => {
  const start = Date.now()
  const { page, close } = await openPage(browser, example.api, { before: (page) => page.clock.install({ time: start }) })
  const timer = page.getByRole('timer')
  await claim(page, 'sub', 'shop-manager')
  // By the token's own time: a slow machine may have taken a while to get it.
  const end = JSON.parse(Buffer.from(await page.locator('#raw1').textContent(), 'base64url')).exp * 1000
  await page.clock.pauseAt(end - 5_000)
  await timer.filter({ hasText: /^Expires in 0 min \d\d s$/ }).waitFor()
  const first = await page.locator('#raw2').textContent()
  await page.clock.fastForward(3600_000)
  await timer.filter({ hasText: /^Expired (59 min \d\d s|1 h 00 min) ago$/ }).waitFor()
  assert.equal(await page.getByRole('status').last().textContent(), 'This token has expired.')

  await page.clock.setSystemTime(Date.now())
  await page.getByRole('button', { name: 'Ask for a new token' }).click()
  await timer.filter({ hasText: /^Expires in (59 min \d\d s|1 h 00 min)$/ }).waitFor()
  assert.notEqual(await page.locator('#raw2').textContent(), first)
  assert.equal((await call(page, 'GET /products')).status, '200 OK')
  await close()
})

test('without JavaScript the page says what to do', async () => {
  const { page, close } = await openPage(browser, example.api, { javaScriptEnabled: false })
  const text = page.locator('noscript p')
  assert.ok(await text.isVisible())
  assert.match(await text.textContent(), /^This page needs JavaScript\. The terminal/)
  assert.deepEqual(await page.locator('button:visible, input:visible, pre:empty:visible').all(), [], 'nothing that does nothing')
  assert.ok(await page.getByRole('heading', { name: '401 or 403?' }).isVisible())
  await close()
})

test('with a real Logto there is no page', async () => {
  const real = await startExample({ LOGTO_ENDPOINT: example.logto })
  try {
    for (const [path, options] of [['/', {}], ['/demo/token', { method: 'POST' }]]) {
      assert.equal((await fetch(real.api + path, options)).status, 401)
    }
  } finally {
    await real.stop()
  }
})
