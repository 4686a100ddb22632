// Drives a headless Chromium: node browser.js BASE SCENARIO OPTIONS. Prints what it saw as JSON;
// what that should have been is for test_browser.py to say.
//
// Every scenario also returns "problems": errors on the console (a violation of the page's content
// security policy is one), scripts that failed, dialogs, requests that failed or left the agent.
'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');
const { chromium } = require('playwright-core');

const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const TIMEOUT_MS = 20000;
const PICTURE_WIDTH = 1240;

const [base, scenario, text] = process.argv.slice(2);
const options = JSON.parse(text || '{}');
const problems = [];

function watch(page) {
  const where = () => new URL(page.url(), base).pathname;
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) {
      problems.push(`${where()}: console: ${message.text()}`);
    }
  });
  page.on('pageerror', (error) => problems.push(`${where()}: script: ${error.message}`));
  page.on('dialog', (dialog) => {
    problems.push(`${where()}: dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(base + '/') && !request.url().startsWith('data:')) {
      problems.push(`${where()}: asks for ${request.url()}`);
    }
  });
  page.on('requestfailed', (request) => {
    const { errorText } = request.failure();
    if (errorText !== 'net::ERR_ABORTED') { // the page was left while its icon was on the way
      problems.push(`${where()}: ${request.url()} failed: ${errorText}`);
    }
  });
}

// A page in a fresh profile. scripts, dark, width, height, bypassCSP: as the names say.
async function withPage(how, work) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'towbar-chromium.'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ARGUMENTS,
    javaScriptEnabled: how.scripts !== false,
    colorScheme: how.dark ? 'dark' : 'light',
    bypassCSP: how.bypassCSP === true,
    viewport: { width: how.width || PICTURE_WIDTH, height: how.height || 900 },
    timeout: TIMEOUT_MS,
  });
  try {
    context.setDefaultTimeout(TIMEOUT_MS);
    const page = context.pages()[0] || (await context.newPage());
    watch(page);
    return await work(page);
  } finally {
    await context.close();
    fs.rmSync(profile, { recursive: true, force: true });
  }
}

async function go(page, where) {
  const reply = await page.goto(base + where, { waitUntil: 'load' });
  return reply.status();
}

// The links to items below main, in their order, each with the text of its row.
const itemLinks = (page) =>
  page.$$eval('main a[href^="/items/"]', (links) =>
    links.map((link) => ({
      href: link.getAttribute('href'),
      text: link.textContent.trim(),
      row: (link.closest('tr, li') || link).textContent.replace(/\s+/g, ' ').trim(),
    })),
  );

// Is the line that is marked as hit drawn unlike the lines around it?
const hitLine = (page) =>
  page.$eval('main .hit', (hit) => {
    const other = [...hit.parentElement.children].find((line) => !line.matches('.hit'));
    const color = (element) => getComputedStyle(element).backgroundColor;
    return {
      text: hit.textContent,
      visible: hit.checkVisibility(),
      highlighted: other ? color(hit) !== color(other) : null,
    };
  });

// What no report may bring about: scripts, handlers, frames, links that run something.
const audit = (page) =>
  page.evaluate(() => {
    const found = [];
    for (const element of document.querySelectorAll('*')) {
      const name = element.localName;
      if (name === 'script' && element.getAttribute('src') !== '/app.js') {
        found.push('script ' + element.outerHTML.slice(0, 200));
      }
      if (['iframe', 'object', 'embed', 'base', 'style', 'img', 'frame'].includes(name)) {
        found.push(element.outerHTML.slice(0, 200));
      }
      for (const { name: attribute, value } of element.attributes) {
        const isUrl = ['href', 'src', 'action', 'formaction', 'xlink:href'].includes(attribute);
        if (/^on|^style$|^srcdoc$|^http-equiv$/.test(attribute)) {
          found.push(`${name} ${attribute}=${value}`);
        } else if (isUrl && !/^https?:$/.test(new URL(value, document.baseURI).protocol)) {
          found.push(`${name} ${attribute}=${value}`);
        }
      }
    }
    return { found, executed: window.__xss !== undefined };
  });

const SCENARIOS = {
  // From the list to the item with that title, from there to its trace.
  walk: () =>
    withPage(options, async (page) => {
      const seen = { status: await go(page, '/'), list: await itemLinks(page) };
      await page.locator('main a[href^="/items/"]', { hasText: options.title }).first().click();
      await page.waitForURL(/\/items\/\d+/);
      seen.item = { path: new URL(page.url()).pathname, text: await page.innerText('main') };
      seen.hit = await hitLine(page);
      await page.locator('main a[href^="/trace/"]').first().click();
      await page.waitForURL(/\/trace\//);
      seen.trace = { path: new URL(page.url()).pathname, text: await page.innerText('main') };
      seen.trace.items = await itemLinks(page);
      return seen;
    }),

  // What a report that means harm made of these pages.
  audit: () =>
    withPage(options, async (page) => {
      const seen = {};
      for (const where of options.paths) {
        const status = await go(page, where);
        // Whatever waits for the pointer or the focus gets both.
        const script = () => {
          for (const element of document.querySelectorAll('main *')) {
            element.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
            element.dispatchEvent(new FocusEvent('focus'));
          }
          return new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
        };
        if (options.scripts !== false) {
          await page.evaluate(script);
        }
        const text = await page.evaluate(() => document.body.innerText);
        seen[where] = { status, text, ...(await audit(page)) };
      }
      return seen;
    }),

  axe: () =>
    withPage({ ...options, bypassCSP: false }, async (page) => {
      const source = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
      const seen = {};
      for (const where of options.paths) {
        await go(page, where);
        await page.evaluate(source);
        const result = await page.evaluate(() => axe.run(document));
        seen[where] = {
          rules: result.passes.length,
          violations: result.violations.map((v) => ({
            id: v.id,
            impact: v.impact,
            where: v.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)),
          })),
        };
      }
      return seen;
    }),

  // How far each page can be moved sideways, in pixels, with all that folds unfolded.
  narrow: () =>
    withPage(options, async (page) => {
      const seen = {};
      for (const where of options.paths) {
        await go(page, where);
        seen[where] = await page.evaluate(() => {
          document.querySelectorAll('details').forEach((details) => (details.open = true));
          window.scrollTo(10000, 0);
          return Math.max(window.scrollX, document.documentElement.scrollWidth - innerWidth);
        });
      }
      return seen;
    }),

  // Keys on the list: how the place moves, and where Enter leads.
  keys: () =>
    withPage(options, async (page) => {
      await go(page, '/');
      const here = () =>
        page.evaluate(() => {
          const row = document.activeElement.closest('tr, li');
          const link = row && row.querySelector('a[href^="/items/"]');
          return link && link.getAttribute('href');
        });
      const seen = { list: (await itemLinks(page)).map((link) => link.href), places: [] };
      for (const key of ['j', 'j', 'k']) {
        await page.keyboard.press(key);
        seen.places.push(await here());
      }
      await page.keyboard.press('Enter');
      await page.waitForURL(/\/items\/\d+/);
      seen.opened = new URL(page.url()).pathname;
      return seen;
    }),

  // A page that sets window.answer when it is through with what it does.
  answer: () =>
    withPage(options, async (page) => {
      await go(page, '/');
      await page.waitForFunction(() => window.answer !== undefined);
      return page.evaluate(() => window.answer);
    }),

  // Pictures are as high as their page.
  pictures: () =>
    withPage({ ...options, height: 200 }, async (page) => {
      const seen = {};
      for (const [name, where] of Object.entries(options.pages)) {
        seen[name] = await go(page, where);
        if (options.folder) {
          await page.screenshot({ path: path.join(options.folder, name + '.png'), fullPage: true });
        }
      }
      return seen;
    }),
};

SCENARIOS[scenario]().then(
  (seen) => console.log(JSON.stringify({ seen, problems })),
  (error) => {
    console.error(error, problems);
    process.exitCode = 1;
  },
);
