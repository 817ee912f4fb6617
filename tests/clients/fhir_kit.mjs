// A clinic's script: one encounter with fhir-kit-client. Called with the FHIR base, prints what it saw as JSON.
import { Client } from 'fhir-kit-client';

const client = new Client({ baseUrl: process.argv[2] });
const seen = {};

const { fhirVersion } = await client.capabilityStatement();
seen.version = fhirVersion;

const patient = await client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', name: [{ family: 'Kit' }] } });
seen.read = (await client.read({ resourceType: 'Patient', id: patient.id })).name[0].family;

const transaction = await client.transaction({
  body: {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: Array.from({ length: 5 }, (_, number) => ({
      fullUrl: `urn:uuid:00000000-0000-4000-8000-00000000000${number}`,
      resource: {
        resourceType: 'Observation', status: 'final', code: { text: 'Groin pain' },
        subject: { reference: `Patient/${patient.id}` }, effectiveDateTime: `2026-01-0${number + 1}`,
      },
      request: { method: 'POST', url: 'Observation' },
    })),
  },
});
seen.created = transaction.entry.map((entry) => entry.response.status.slice(0, 3));

let page = await client.search({
  resourceType: 'Observation', searchParams: { patient: patient.id, _sort: '-date', _count: 2, date: ['ge2026-01-02', 'le2026-01-31'] },
});
seen.pages = [];
for (; page; page = await client.nextPage({ bundle: page })) {
  seen.pages.push(page.entry.map((entry) => entry.resource.effectiveDateTime));
  seen.last = page;
}
const before = await client.prevPage({ bundle: seen.last });
seen.previous = before.entry.map((entry) => entry.resource.effectiveDateTime);
delete seen.last;

const posted = await client.search({
  resourceType: 'Observation', searchParams: { 'patient.family': 'kit' }, options: { postSearch: true },
});
seen.posted = posted.entry.length;

const updated = await client.update({
  resourceType: 'Patient', id: patient.id, body: { ...patient, name: [{ family: 'Kitt' }] },
});
seen.updated = updated.meta.versionId;
const history = await client.resourceHistory({ resourceType: 'Patient', id: patient.id });
seen.history = history.entry.length;

const assessed = await client.operation({
  name: '$assess', method: 'POST',
  input: {
    resourceType: 'Bundle', type: 'collection',
    entry: [{ resource: { ...updated } }, { resource: {
      resourceType: 'Condition', subject: { reference: `Patient/${patient.id}` }, code: { text: 'Hip pain' },
    } }],
  },
});
seen.assessed = [assessed.resourceType, assessed.prediction.length > 3];

try {
  await client.search({ resourceType: 'Observation', searchParams: { date: 'banana' } });
} catch (error) {
  seen.refused = [error.response.status, error.response.data.issue[0].code];
}
await client.delete({ resourceType: 'Patient', id: patient.id });
try {
  await client.read({ resourceType: 'Patient', id: patient.id });
} catch (error) {
  seen.gone = error.response.status;
}
console.log(JSON.stringify(seen));
