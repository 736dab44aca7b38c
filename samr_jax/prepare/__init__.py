"""From raw scans to subjects on a common grid."""
