alias From = f16;
