"""Presidio's pattern recognisers over given texts; runs in the peer's own environment. JSON in on stdin, out on stdout.

No language model: ``NoOpNlpEngine``, and the recogniser that needs one is removed. ``tldextract`` is kept from fetching
the public suffix list. Only the kinds that Remit looks for too are asked for.
"""

import json
import sys
import time

import tldextract

tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

from presidio_analyzer import AnalyzerEngine, RecognizerRegistry  # noqa: E402 - after the line above
from presidio_analyzer.nlp_engine import NoOpNlpEngine  # noqa: E402 - as above

KINDS = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "US_SSN": "ssn",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip",
    "US_BANK_NUMBER": "us-bank",
    "US_ITIN": "us-itin",
    "US_PASSPORT": "us-passport",
    "UK_NHS": "gb-nhs",
}


def main() -> None:
    asked = json.load(sys.stdin)
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    for recognizer in list(registry.recognizers):
        if recognizer.name == "SpacyRecognizer":
            registry.remove_recognizer(recognizer.name)
    nlp = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "none"}])
    engine = AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])
    kinds = list(KINDS)

    def run(texts: list[str]) -> list[list[list[object]]]:
        return [
            [[KINDS[each.entity_type], each.start, each.end] for each in engine.analyze(text, "en", entities=kinds)]
            for text in texts
        ]

    seconds: dict[str, float] = {}
    for name, texts in asked["timed"].items():
        run(texts[:2])
        taken: list[float] = []
        for _ in range(asked["runs"]):
            began = time.process_time()
            run(texts)
            taken.append(time.process_time() - began)
        seconds[name] = sorted(taken)[len(taken) // 2]
    json.dump({"seconds": seconds, "found": {name: run(texts) for name, texts in asked["texts"].items()}}, sys.stdout)


if __name__ == "__main__":
    main()
