"""What needs all subjects: the common scale, the template, the atlas."""
