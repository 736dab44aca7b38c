"""From one subject's scans to its volumes on the target grid."""
