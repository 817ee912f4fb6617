// Compiles input/fsh with SUSHI into fsh-generated/resources, or with --check tells whether what is committed is up to date.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { home, preparePackages } from './packages.mjs';

const here = join(dirname(fileURLToPath(import.meta.url)), '..');
const made = join(here, 'fsh-generated', 'resources');
const fresh = join(home, 'out', 'fsh-generated', 'resources');
const check = process.argv.includes('--check');

preparePackages();
rmSync(join(home, 'out'), { recursive: true, force: true });
const sushi = spawnSync(
  process.execPath,
  [join(here, 'node_modules', 'fsh-sushi', 'dist', 'app.js'), 'build', here, '--snapshot', '--out', join(home, 'out')],
  // Nothing listens on port 9 of this machine, so a package that is missing fails at once instead of waiting for the network.
  { env: { ...process.env, HOME: home, FPL_REGISTRY: 'http://127.0.0.1:9' }, encoding: 'utf8' },
);
const said = `${sushi.stdout}${sushi.stderr}`;
const complaints = said.split('\n').filter(line => /^(error|warn) /.test(line.replace(/\u001b\[\d+m/g, '')));
const serious = complaints.filter(line => !known(line));
if (sushi.status !== 0 && sushi.status !== null && !existsSync(fresh) || serious.length > 0) {
  console.error(said);
  console.error(`SUSHI found ${serious.length} thing(s) to correct.`);
  process.exit(1);
}

for (const name of readdirSync(fresh)) {
  const path = join(fresh, name);
  const resource = JSON.parse(readFileSync(path, 'utf8'));
  if (withoutRangeRule(resource)) {
    writeFileSync(path, `${JSON.stringify(resource, null, 2)}\n`);
  }
}

if (check) {
  const stale = differing(made, fresh);
  if (stale.length > 0) {
    console.error(`Not up to date, run "make profiles": ${stale.join(', ')}`);
    process.exit(1);
  }
  console.log(`fsh-generated is up to date: ${readdirSync(made).length} files.`);
} else {
  rmSync(made, { recursive: true, force: true });
  mkdirSync(made, { recursive: true });
  cpSync(fresh, made, { recursive: true });
  console.log(`Wrote ${readdirSync(made).length} files to fsh-generated/resources.`);
}

// What SUSHI says because it is kept off the network, and of path-resource, which it uses all the same.
function known(line) {
  return line.includes('hl7.fhir.uv.tools.r4') || line.includes('only relevant for IG creation: parameters.');
}

// R4 puts ras-1, which speaks of the parts of a Range, on probability[x]. Where a profile allows the decimal alone the rule has
// nothing to speak of, and HL7's validator takes it for an error in the profile.
function withoutRangeRule(resource) {
  const elements = (resource.snapshot?.element ?? []).filter(
    element => element.path === 'RiskAssessment.prediction.probability[x]' && element.type.every(type => type.code !== 'Range'),
  );
  for (const element of elements) {
    element.constraint = element.constraint.filter(constraint => constraint.key !== 'ras-1');
  }
  return elements.length > 0;
}

function differing(one, other) {
  const names = new Set([...(existsSync(one) ? readdirSync(one) : []), ...readdirSync(other)]);
  return [...names].sort().filter(name => text(join(one, name)) !== text(join(other, name)));
}

function text(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}
