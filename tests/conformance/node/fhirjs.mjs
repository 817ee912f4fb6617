// The validator of the npm package `fhir` over a folder: node fhirjs.mjs DEFINITIONS RESOURCES
//
// It knows R4 and the value sets of its required bindings. DEFINITIONS is not read: the runners are called alike.
// One line of JSON each on standard output: {"file", "issues": [{"severity", "path", "text"}]}.

import fhir from 'fhir';
import { jsonFiles, print } from './folder.mjs';

const [, resources] = process.argv.slice(2);
const validator = new fhir.Fhir();

for (const [file, text] of jsonFiles(resources)) {
  print(file, judged(text));
}

function judged(text) {
  try {
    const { messages } = validator.validate(JSON.parse(text), { errorOnUnexpected: true });
    return messages.map(({ severity, location, message }) => ({ severity, path: location, text: message }));
  } catch (fault) {
    return [{ severity: 'error', path: '', text: fault.message }];
  }
}
