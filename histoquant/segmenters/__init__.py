"""Networks of others as segmenters: StarDist, Cellpose and InstanSeg, from weights in a local file.

None of them is imported, or installed, unless it is asked for by name; nothing is downloaded. Their answers
hang on the window they see, by percentiles and by the reach of the network, so none says that it is exact.
"""
