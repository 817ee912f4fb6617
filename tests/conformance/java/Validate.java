import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.parser.IParser;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r4.model.Questionnaire;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;

/**
 * HL7's validator over a folder, in one process, offline: java -cp 'JARS/*' Validate.java DEFINITIONS RESOURCES.
 *
 * Every *.json below DEFINITIONS is known to it besides R4 itself; every *.json below RESOURCES is judged, against R4 and against
 * the profiles it names. One line of JSON each on standard output: {"file", "issues": [{"severity", "path", "text"}]}.
 */
public class Validate {
  public static void main(String[] arguments) throws IOException {
    Path definitions = Path.of(arguments[0]);
    Path resources = Path.of(arguments[1]);
    // Some libraries write to standard output; only the verdicts may.
    PrintStream verdicts = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    System.setOut(System.err);
    FhirValidator validator = validator(definitions);
    jsonFiles(resources).parallelStream()
        .map(file -> verdict(validator, resources, file))
        .forEachOrdered(verdicts::println);
  }

  private static JsonObject verdict(FhirValidator validator, Path folder, Path file) {
    JsonObject verdict = new JsonObject();
    verdict.addProperty("file", folder.relativize(file).toString());
    verdict.add("issues", issues(validator, file));
    return verdict;
  }

  private static FhirValidator validator(Path definitions) throws IOException {
    FhirContext context = FhirContext.forR4();
    Definitions ours = new Definitions(context);
    for (Path file : jsonFiles(definitions)) {
      ours.add(Files.readString(file));
    }
    ValidationSupportChain chain =
        new ValidationSupportChain(
            ours, // first, because R4's own copies of some code systems are older than the codes in use
            new DefaultProfileValidationSupport(context),
            new InMemoryTerminologyServerValidationSupport(context),
            new CommonCodeSystemsTerminologyService(context),
            new SnapshotGeneratingValidationSupport(context));
    // A concept is in a value set if one of its codings is; that others are of systems nobody has here does not matter.
    chain.setCodeableConceptValidationSuccessfulIfNotAllCodingsAreValid(true);
    FhirInstanceValidator module = new FhirInstanceValidator(chain);
    module.setErrorForUnknownProfiles(true);
    module.setAnyExtensionsAllowed(false);
    module.setBestPracticeWarningLevel(BestPracticeWarningLevel.Ignore);
    return context.newValidator().registerValidatorModule(module);
  }

  /** Definitions held in memory; also Questionnaires, which the library's class keeps to itself. */
  private static class Definitions extends PrePopulatedValidationSupport {
    private final IParser parser;
    private final Map<String, Questionnaire> forms = new HashMap<>();

    Definitions(FhirContext context) {
      super(context);
      parser = context.newJsonParser();
    }

    void add(String text) {
      IBaseResource resource = parser.parseResource(text);
      if (resource instanceof Questionnaire form) {
        forms.put(form.getUrl(), form);
        forms.put(form.getUrl() + "|" + form.getVersion(), form);
      } else {
        addResource(resource);
      }
    }

    @Override
    public <T extends IBaseResource> T fetchResource(Class<T> type, String address) {
      if (type != null && type.isAssignableFrom(Questionnaire.class) && forms.containsKey(address)) {
        return type.cast(forms.get(address));
      }
      return super.fetchResource(type, address);
    }
  }

  private static JsonArray issues(FhirValidator validator, Path file) {
    JsonArray found = new JsonArray();
    try {
      for (SingleValidationMessage message : validator.validateWithResult(Files.readString(file)).getMessages()) {
        found.add(issue(message.getSeverity().name().toLowerCase(), message.getLocationString(), message.getMessage()));
      }
    } catch (IOException | RuntimeException unreadable) { // what is not JSON at all
      found.add(issue("fatal", "", String.valueOf(unreadable.getMessage())));
    }
    return found;
  }

  private static JsonObject issue(String severity, String path, String text) {
    JsonObject issue = new JsonObject();
    issue.addProperty("severity", severity);
    issue.addProperty("path", path);
    issue.addProperty("text", text);
    return issue;
  }

  private static List<Path> jsonFiles(Path folder) throws IOException {
    try (Stream<Path> paths = Files.walk(folder)) {
      return new ArrayList<>(paths.filter(path -> path.toString().endsWith(".json")).sorted().toList());
    }
  }
}
