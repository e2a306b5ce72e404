set(libraries PkgConfig::zstd)
