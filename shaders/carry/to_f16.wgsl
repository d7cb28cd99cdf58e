alias To = f16;
