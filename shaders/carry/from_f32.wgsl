alias From = f32;
