set(libraries PkgConfig::lzma)
