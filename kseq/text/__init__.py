"""From strings to tokens to ids and back, without loss."""
