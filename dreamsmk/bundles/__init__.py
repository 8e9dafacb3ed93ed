"""Bundles: what a workflow asked and made, in plain files that another machine can replay."""

from dreamsmk.bundles.comparing import Compared, compare_bundle
from dreamsmk.bundles.manifest import BUNDLE_VERSION, Manifest
from dreamsmk.bundles.reading import Bundle, Imported, add_bundle, open_bundle
from dreamsmk.bundles.writing import BundleOptions, write_bundle

__all__ = [
    "BUNDLE_VERSION",
    "Bundle",
    "BundleOptions",
    "Compared",
    "Imported",
    "Manifest",
    "add_bundle",
    "compare_bundle",
    "open_bundle",
    "write_bundle",
]
