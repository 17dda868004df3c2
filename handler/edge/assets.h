/* assets.h - the styles and scripts of our pages, compiled in by
 * tools/embed-pages.awk from the files of those names beside this one
 */
#ifndef WAKEGATE_ASSETS_H
#define WAKEGATE_ASSETS_H

extern const char html_css[];
extern const char panel_css[];
extern const char panel_js[];
extern const char page_css[];
extern const char page_js[];

#endif
